"""The operator's page on S3: the policy is enough and no more, the lifecycle is valid, the costs add up."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from collector.domain.errors import StoreError, StoreRefusedError
from collector.storage.store import s3_client
from tests.seaweed import NOTHING, RECORDER, Seaweed
from tests.storage.store.s3_content import CONTENT, INFO, KEY, SHA256

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "OPERATIONS.md"


@pytest.fixture
def recorder_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the credentials are those of the restricted identity."""
    for name, value in RECORDER.items():
        monkeypatch.setenv(name, value)


def documented(name: str) -> str:
    """The JSON of the operator's page that has this member."""
    texts: list[str] = re.findall(r"```json\n(.*?)```", OPERATIONS.read_text("utf-8"), re.DOTALL)
    (found,) = (text for text in texts if name in text)
    return found


def documented_policy(bucket: str, prefix: str) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(
        documented("Statement").replace("MY-BUCKET", bucket).replace("MY-PREFIX", prefix)
    )
    return policy


class TestPermissions:
    def test_the_documented_policy_allows_exactly_what_recording_needs(
        self, seaweed: Seaweed, bucket: str, source: Path, tmp_path: Path, recorder_keys: None
    ) -> None:
        store = seaweed.store(bucket, "lake")
        with allowed(seaweed, documented_policy(bucket, "lake"), store.check):
            store.put(KEY, source, SHA256)
            assert store.head(KEY) == INFO
            assert store.read(KEY) == CONTENT
            assert store.fetch(KEY, tmp_path / "copy") == INFO
            assert store.head("gone") is None
            assert list(store.keys("")) == [KEY]
            client = seaweed.client(RECORDER)
            forbidden: list[Callable[[], object]] = [
                lambda: client.delete_object(Bucket=bucket, Key=f"lake/{KEY}"),
                lambda: client.delete_bucket(Bucket=bucket),
                lambda: client.create_bucket(Bucket="another"),
                lambda: client.put_object(Bucket=bucket, Key="elsewhere", Body=b""),
            ]
            for ask in forbidden:
                with pytest.raises(ClientError, match="AccessDenied"):
                    ask()
            assert store.head(KEY) == INFO

    def test_a_forbidden_request_works_once_the_policy_is_corrected(
        self, seaweed: Seaweed, bucket: str, source: Path, recorder_keys: None
    ) -> None:
        store = seaweed.store(bucket, "lake")
        with pytest.raises(StoreRefusedError, match=r"AccessDenied to PutObject .* docs/OPERATIONS.md"):
            store.put(KEY, source, SHA256)
        with pytest.raises(StoreRefusedError, match="403 to HeadObject"):
            store.head(KEY)
        with allowed(seaweed, documented_policy(bucket, "lake"), store.check):
            store.put(KEY, source, SHA256)
            assert store.head(KEY) == INFO

    @pytest.mark.parametrize("missing", ["s3:PutObject", "s3:GetObject", "s3:ListBucket"])
    def test_check_fails_without_any_one_permission(
        self, seaweed: Seaweed, bucket: str, recorder_keys: None, missing: str
    ) -> None:
        policy = documented_policy(bucket, "lake")
        for statement in policy["Statement"]:
            statement["Action"] = [action for action in statement["Action"] if action != missing] or ["s3:None"]
        client = seaweed.client(RECORDER)
        sign = "list_objects_v2" if missing != "s3:ListBucket" else "put_object"
        place = {"Bucket": bucket} if missing != "s3:ListBucket" else {"Bucket": bucket, "Key": "lake/x"}
        with allowed(seaweed, policy, lambda: getattr(client, sign)(**place)), pytest.raises(StoreRefusedError):
            seaweed.store(bucket, "lake").check()


class TestTheOperatorsPage:
    def test_the_documented_lifecycle_is_valid(self, aws_alone: None) -> None:
        with mock_aws():
            client = s3_client.connect("us-east-1", "", "auto", {})
            client.create_bucket(Bucket="bucket")
            client.put_bucket_lifecycle_configuration(
                Bucket="bucket", LifecycleConfiguration=json.loads(documented("Rules").replace("MY-PREFIX", "lake"))
            )
            rules = client.get_bucket_lifecycle_configuration(Bucket="bucket")["Rules"]
        assert [rule["Status"] for rule in rules] == ["Enabled", "Enabled"]

    def test_the_documented_costs_add_up(self) -> None:
        rows = re.findall(r"^\|((?: [\d.,]+ \|){5})$", OPERATIONS.read_text("utf-8"), re.MULTILINE)
        assert len(rows) == 4
        for row in rows:
            streams, *found = (float(cell.replace(",", "")) for cell in row.split("|")[:-1])
            for segments, requests, dollars in zip((24, 288), found[::2], found[1::2], strict=True):
                puts, others = segments * (streams + 1), segments * (streams + 2)
                assert requests == puts + others
                assert dollars == pytest.approx(30 * (puts * 0.005 + others * 0.0004) / 1000, abs=0.005)


@contextmanager
def allowed(seaweed: Seaweed, policy: dict[str, Any], sign: Callable[[], object]) -> Iterator[None]:
    """Let the recorder do what the policy says; the server takes a moment to see it, so `sign` must have worked."""
    seaweed.allow(policy)
    try:
        wait_until_it_works(sign)
        yield
    finally:
        seaweed.allow(NOTHING)


def wait_until_it_works(sign: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            sign()
        except (StoreError, ClientError):
            assert time.monotonic() < end, "the server did not take the policy"
            threading.Event().wait(0.05)
        else:
            return
