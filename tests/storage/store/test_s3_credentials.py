"""Where S3 credentials come from, which are refused, and that none shows in an error."""

import gc
import traceback
import weakref
from pathlib import Path
from typing import Any

import pytest

from collector.domain.errors import StoreError, StoreRefusedError
from collector.storage.store import s3, s3_client, s3_credentials
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_options import S3Options
from tests.seaweed import ADMIN, Seaweed
from tests.storage.store.s3_content import INFO, KEY, SHA256

LONG = "AKIAIOSFODNN7EXAMPLE"


class TestCredentials:
    def test_the_short_names_are_accepted(
        self, seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch, source: Path
    ) -> None:
        for name, value in zip(("AWS_ACCESS_KEY", "AWS_SECRET_KEY"), ADMIN.values(), strict=True):
            monkeypatch.setenv(name, value)
        for name in ADMIN:
            monkeypatch.delenv(name)
        seaweed.store(bucket).put(KEY, source, SHA256)
        assert seaweed.store(bucket).head(KEY) == INFO

    def test_the_standard_names_come_first(self) -> None:
        assert s3_credentials.keys_from({**ADMIN, "AWS_ACCESS_KEY": "x", "AWS_SECRET_KEY": "y"}) == {}
        assert s3_credentials.keys_from(
            {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_KEY": "y", "AWS_SESSION_TOKEN": "z"}
        ) == {
            "aws_access_key_id": "x",
            "aws_secret_access_key": "y",
            "aws_session_token": "z",
        }

    @pytest.mark.parametrize("name", ["AWS_ACCESS_KEY", "AWS_SECRET_KEY"])
    def test_one_half_of_a_key_pair_is_refused_by_name(
        self, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        for known in ADMIN:
            monkeypatch.delenv(known)
        monkeypatch.setenv(name, "half")
        with pytest.raises(StoreRefusedError, match=f"{name} is set without AWS_"):
            seaweed.store("bucket").head(KEY)

    def test_missing_credentials_say_what_to_set(self, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ADMIN:
            monkeypatch.delenv(name)
        with pytest.raises(StoreRefusedError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
            seaweed.store("bucket").head(KEY)

    def test_clients_of_a_refusing_store_do_not_accumulate(
        self, seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[weakref.ref[Any]] = []

        def noted(*given: Any) -> Any:
            client = s3_client.connect(*given)
            made.append(weakref.ref(client))
            return client

        monkeypatch.setattr(s3, "connect", noted)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        store = seaweed.store(bucket)
        gc.disable()
        try:
            for _ in range(6):
                with pytest.raises(StoreRefusedError):
                    store.read(KEY)
        finally:
            gc.enable()
        assert len(made) == 6
        assert sum(client() is not None for client in made) <= 2

    def test_corrected_credentials_are_found_without_a_restart(
        self, seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ADMIN:
            monkeypatch.delenv(name)
        file = tmp_path / "credentials"
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        store = seaweed.store(bucket)
        for secret, works in (("wrong", False), (ADMIN["AWS_SECRET_ACCESS_KEY"], True)):
            file.write_text(f"[default]\naws_access_key_id = admin\naws_secret_access_key = {secret}\n", "utf-8")
            if works:
                store.check()
            else:
                with pytest.raises(StoreRefusedError, match="SignatureDoesNotMatch"):
                    store.check()

    def test_no_error_shows_a_secret(
        self, seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch, source: Path
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
        for url in (seaweed.endpoint_url, "http://127.0.0.1:1"):
            store = seaweed.store(bucket, endpoint_url=url)
            with pytest.raises(StoreError) as caught:
                store.put(KEY, source, SHA256)
            assert "sesame" not in str(caught.value)
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("ends", ["exit 3", "exit 0"])
    def test_output_of_a_credential_process_is_in_no_error(
        self, aws_alone: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: str
    ) -> None:
        script = tmp_path / "process"
        script.write_text(f"#!/bin/sh\necho 'token {LONG}' >&2\necho '{{\"Version\": \"{LONG}\"}}'\n{ends}\n", "utf-8")
        script.chmod(0o700)
        file = tmp_path / "config"
        file.write_text(f"[profile mine]\ncredential_process = {script}\n", "utf-8")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        monkeypatch.setenv("AWS_PROFILE", "mine")
        with pytest.raises(StoreError, match="credential_process of profile mine returned no credentials") as caught:
            S3Store("bucket", "", S3Options("us-east-1", "http://127.0.0.1:1")).head(KEY)
        assert LONG not in "".join(traceback.format_exception(caught.value))


class TestUnfitKeys:
    """A key that no header takes is refused by its name, and its value is not shown."""

    @pytest.mark.parametrize(
        ("variables", "named"),
        [
            ({"AWS_ACCESS_KEY_ID": f"{LONG}\n", "AWS_SECRET_ACCESS_KEY": "b"}, "AWS_ACCESS_KEY_ID"),
            ({"AWS_ACCESS_KEY": f"{LONG}\r", "AWS_SECRET_KEY": "b"}, "AWS_ACCESS_KEY"),
            ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": f"{LONG} "}, "AWS_SECRET_ACCESS_KEY"),
            ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": f"{LONG}\n"}, "AWS_SESSION_TOKEN"),
        ],
    )  # fmt: skip
    def test_an_unfit_key_in_the_environment_is_named(
        self, aws_alone: None, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        self.assert_refused(rf"{named}: (holds a line break|begins or ends)")

    @pytest.mark.parametrize("named", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"])
    def test_an_unfit_key_in_a_profile_is_named_with_its_file(
        self, aws_alone: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
    ) -> None:
        held = {"aws_access_key_id": "a", "aws_secret_access_key": "b", named: f"{LONG}\n  goes on"}
        file = tmp_path / "credentials"
        file.write_text("\n".join(["[mine]", *(f"{name} = {value}" for name, value in held.items())]), "utf-8")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setenv("AWS_PROFILE", "mine")
        self.assert_refused(rf"{named} \(from shared-credentials-file, profile mine\): holds a line break")

    def assert_refused(self, told: str) -> None:
        store = S3Store("bucket", "", S3Options("us-east-1", "http://127.0.0.1:1"))
        with pytest.raises(StoreRefusedError, match=told) as caught:
            store.head(KEY)
        assert LONG not in str(caught.value)
