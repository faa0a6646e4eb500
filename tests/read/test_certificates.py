"""A certificate says what an archive has of a day, what is proven of it, what is missing, and who says so."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from collector import __version__
from collector.certificates.certificate import (
    Certificate,
    CertificateFile,
    Signature,
    decode_certificate,
    from_base64,
    stream_key,
    to_base64,
)
from collector.certificates.certify import Choice, certificates
from collector.certificates.check import object_findings, signature_findings
from collector.certificates.signing import Signer, is_valid, public_key_in
from collector.domain.errors import ConfigError, DamagedError, StoreError
from collector.domain.names import pruned_key
from collector.read.errors import MissingExtraError
from collector.read.holdings import Holdings
from collector.read.window import Window
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.store.directory import DirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld, trade_ids
from tests.storage.archive import old_archive
from tests.storage.segment.segment_files import DAY_US, NOON_US


def certified(
    store: DirectoryStore, data_dir: Path | None = None, when: Window | None = None, **chosen: str
) -> dict[tuple[str, str], Certificate]:
    """The certificates by data type and date."""
    choice = Choice(**{name: frozenset({value}) for name, value in chosen.items()})
    found = certificates(Holdings(store, data_dir, None), choice, when or Window(), lambda _: None)
    return {(one.data_type, one.date): one for one in found}


def without_trade(frames: list[Frame], number: int) -> tuple[list[Frame], str]:
    """The frames without one of their trades, and its id."""
    places = [place for place, (_, frame) in enumerate(frames) if b'"e":"trade"' in frame]
    return [*frames[: places[number]], *frames[places[number] + 1 :]], trade_ids(frames)[number]


@pytest.fixture
def old_store(tmp_path: Path) -> DeletingDirectoryStore:
    """An archive of three days."""
    store = DeletingDirectoryStore(tmp_path / "archive")
    old_archive.fill(store, tmp_path / "made")
    return store


def one_of(store: DirectoryStore) -> Certificate:
    return certified(store)["trade", old_archive.FIRST]


def key_file(folder: Path, key: Any = None, encryption: KeySerializationEncryption | None = None) -> Path:
    """A private key as openssl writes it."""
    key = key or ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    path = folder / "recorder.key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "recorder.pub").write_bytes(public)
    return path


def test_a_certificate_says_what_was_recorded_and_what_is_missing(world: RecordedWorld, frames: list[Frame]) -> None:
    received, lost = without_trade(frames[:1_000], 20)
    world.receive(received)
    world.seal()
    world.receive(frames[1_000:2_000])
    world.seal()
    world.archive()
    store = DirectoryStore(world.data_dir / "archive")
    found = certified(store, world.data_dir)
    assert {data_type for data_type, _ in found} == {"book_delta", "book_ticker", "trade"}
    trades = found["trade", "2024-08-08"]
    assert trades.messages == len(trade_ids(frames[:2_000])) - 1
    (gap,) = [one for one in trades.gaps if one.kind == "sequence"]
    assert (gap.expected_id, gap.missing, gap.cause, gap.status) == (lost, 1, "exchange", "open")
    assert (trades.state, trades.unrepaired_gaps) == ("degraded", 1)
    assert trades.verified_us > 0 < trades.broken_us
    assert found["book_ticker", "2024-08-08"].verified_us == 0 < found["book_ticker", "2024-08-08"].unverifiable_us
    for one in found.values():
        assert one.verified_us + one.unverifiable_us + one.broken_us + one.absent_us == DAY_US
        assert len(one.objects) == 2
        for held in one.objects:
            content = (world.data_dir / "archive" / held.key).read_bytes()
            assert (held.found, held.sha256) == ("whole", hashlib.sha256(content).hexdigest())
            assert (held.bytes, held.schema_version, held.collector_version) == (len(content), 2, __version__)


def test_a_day_that_is_not_archived_is_pending(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames[:500])
    world.seal()
    world.archive()
    world.receive(frames[500:1_000])
    world.seal()
    store = DirectoryStore(world.data_dir / "archive")
    found = certified(store, world.data_dir)
    assert {one.state for one in found.values()} == {"pending"}
    assert found["trade", "2024-08-08"].messages == len(trade_ids(frames[:500])), "only what is archived is counted"
    world.archive()
    assert {one.state for one in certified(store, world.data_dir).values()} == {"degraded"}


def test_the_same_archive_gives_the_same_bytes(old_store: DeletingDirectoryStore, tmp_path: Path) -> None:
    signer = Signer(key_file(tmp_path))
    first, second = (
        [CertificateFile(one, signer.sign(one)).encode() for one in certified(old_store).values()] for _ in range(2)
    )
    assert first == second
    assert len(first) == 6


def test_days_are_those_of_the_rows_or_of_the_window(old_store: DeletingDirectoryStore) -> None:
    assert [day for _, day in certified(old_store, data_types="trade")] == ["2026-11-23", "2026-11-24", "2026-11-25"]
    noon_us = NOON_US - 2 * DAY_US
    asked = certified(old_store, when=Window(noon_us, noon_us + DAY_US), data_types="trade")
    assert {day: one.state for (_, day), one in asked.items()} == {"2026-11-21": "missing", "2026-11-22": "missing"}


def test_with_a_start_alone_a_stream_that_ended_is_missing_until_now(
    old_store: DeletingDirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.read.holdings.time_ns", lambda: (NOON_US + 4 * DAY_US) * 1_000)
    folder = Path(old_store.url.removeprefix("file://"))
    for manifest in folder.glob(f"_manifest/date={old_archive.THIRD}/*.json"):
        manifest.unlink()
    assert [day for _, day in certified(old_store, data_types="trade")] == [old_archive.FIRST, old_archive.SECOND]
    for since, days in (
        (1, {"2026-11-24": "degraded", "2026-11-25": "missing", "2026-11-26": "missing", "2026-11-27": "missing"}),
        (3, {"2026-11-26": "missing", "2026-11-27": "missing"}),
    ):
        found = certified(old_store, when=Window(NOON_US + since * DAY_US), data_types="trade")
        assert {day: one.state for (_, day), one in found.items()} == days


def test_what_was_pruned_stands_in_the_certificate(old_store: DeletingDirectoryStore) -> None:
    before = one_of(old_store)
    old_archive.pruned(old_store)
    after = one_of(old_store)
    assert (after.state, after.messages, after.verified_us) == ("missing", 0, 0)
    assert {(held.found, held.pruned_at) for held in after.objects} == {("pruned", old_archive.AT)}
    assert [held.sha256 for held in after.objects] == [held.sha256 for held in before.objects]
    assert {gap.kind for gap in after.gaps} == {"sequence", "pruned"}


def test_a_stream_that_was_pruned_whole_is_certified_as_missing(old_store: DeletingDirectoryStore) -> None:
    old_archive.pruned(old_store, PruneSelection("2026-11-26"))
    assert {one.state for one in certified(old_store).values()} == {"missing"}
    assert len(certified(old_store)) == 6


def test_an_object_that_is_lost_or_damaged_breaks_its_seconds(old_store: DeletingDirectoryStore) -> None:
    whole = one_of(old_store)
    folder = Path(old_store.url.removeprefix("file://"))
    (folder / whole.objects[0].key).unlink()
    (folder / whole.objects[1].key).write_bytes(b"other bytes")
    broken = one_of(old_store)
    assert [held.found for held in broken.objects] == ["missing", "differs", "whole"]
    assert broken.messages == whole.messages - sum(held.rows for held in whole.objects[:2])
    damaged = [gap for gap in broken.gaps if gap.kind == "damaged"]
    assert sorted(gap.missing or 0 for gap in damaged) == sorted(held.rows for held in whole.objects[:2])
    assert broken.unrepaired_gaps == whole.unrepaired_gaps + 2


def test_what_is_pruned_while_it_is_certified_is_no_loss(old_store: DeletingDirectoryStore) -> None:
    class Pruning(DirectoryStore):
        """Is pruned between the look at the manifests and that at the objects."""

        def head(self, key: str) -> Any:
            if not (folder / pruned_key(old_archive.FIRST)).exists():
                old_archive.pruned(old_store)
            return super().head(key)

    folder = Path(old_store.url.removeprefix("file://"))
    with pytest.raises(StoreError, match="was pruned just now: certify again"):
        certified(Pruning(folder))


def test_with_a_damaged_manifest_nothing_is_certified(old_store: DeletingDirectoryStore) -> None:
    folder = Path(old_store.url.removeprefix("file://"))
    next(folder.glob("_manifest/date=*/*.json")).write_bytes(b"{}")
    with pytest.raises(DamagedError, match="what is missing cannot be told"):
        certified(old_store)


def test_what_was_written_is_read_back_and_nothing_else_is(old_store: DeletingDirectoryStore, tmp_path: Path) -> None:
    one = one_of(old_store)
    file = CertificateFile(one, Signer(key_file(tmp_path)).sign(one))
    content = file.encode()
    assert decode_certificate(content) == file
    said = json.loads(content)
    for changed, why in (
        (content.replace(b'"messages": ', b'"messages":  '), "its bytes differ"),
        (content.replace(b'"format": 1', b'"format": 2'), "a certificate of format 2; this program reads format 1"),
        (json.dumps({**said, "note": "trust me"}).encode(), "unknown field"),
        (json.dumps({**said, "signature": {**said["signature"], "value": "?"}}).encode(), "not base64"),
        (json.dumps({**said, "signature": {**said["signature"], "value": "AA=="}}).encode(), "a signature of 1"),
        (content.replace(b'"date": "2026-11-23"', b'"date": "9999-99-99"'), "its date is '9999-99-99'"),
        (b"", "not a certificate"),
        (b"\xff{}", "not a certificate"),
    ):
        with pytest.raises(DamagedError, match=why):
            decode_certificate(changed)


def test_every_change_of_a_signed_certificate_shows(old_store: DeletingDirectoryStore, tmp_path: Path) -> None:
    one = one_of(old_store)
    signature = Signer(key_file(tmp_path)).sign(one)
    assert is_valid(signature, one)
    for name in Certificate.__struct_fields__:
        value = getattr(one, name)
        other: Any = [] if isinstance(value, list) else value + 1 if isinstance(value, int) else f"{value}x"
        changed = msgspec.structs.replace(one, **{name: other})
        assert [finding.kind for finding in signature_findings(CertificateFile(changed, signature), None)] == ["forged"]


def test_a_signature_is_held_against_the_key_given(old_store: DeletingDirectoryStore, tmp_path: Path) -> None:
    one = one_of(old_store)
    signed = CertificateFile(one, Signer(key_file(tmp_path)).sign(one))
    own = public_key_in(tmp_path / "recorder.pub")
    key_file(tmp_path, ed25519.Ed25519PrivateKey.generate())
    other = public_key_in(tmp_path / "recorder.pub")
    kinds = [
        [finding.kind for finding in signature_findings(file, key)]
        for file in (signed, CertificateFile(one, None))
        for key in (None, own, other)
    ]
    assert kinds == [[], [], ["forged"], [], ["unsigned"], ["unsigned"]]


def test_openssl_confirms_the_signature(old_store: DeletingDirectoryStore, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to confirm it with")
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "k")], check=True)
    subprocess.run(
        [openssl, "pkey", "-in", str(tmp_path / "k"), "-pubout", "-out", str(tmp_path / "k.pub")], check=True
    )
    one = one_of(old_store)
    said = json.loads(CertificateFile(one, Signer(tmp_path / "k").sign(one)).encode())
    # What jq -jcS .certificate prints.
    signed = json.dumps(said["certificate"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (tmp_path / "signed").write_text(signed, "utf-8")
    (tmp_path / "signature").write_bytes(from_base64(said["signature"]["value"]))
    verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "k.pub", "-rawin", "-in", "signed", "-sigfile", "signature"]
    command = [openssl, *verify]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    (tmp_path / "signed").write_text(signed.replace('"messages":', '"messages":1'), "utf-8")
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode != 0


def test_a_file_that_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    private, public = key_file(tmp_path), tmp_path / "recorder.pub"
    with pytest.raises(ConfigError, match="is a public key: only the private one signs"):
        Signer(public)
    with pytest.raises(ConfigError, match="is a private key: a signature is checked with the public one"):
        public_key_in(private)
    key_file(tmp_path, encryption=BestAvailableEncryption(b"secret"))
    with pytest.raises(ConfigError, match="is protected by a password"):
        Signer(private)
    key_file(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ConfigError, match="is no Ed25519 key"):
        Signer(private)
    with pytest.raises(ConfigError, match="is no Ed25519 key"):
        public_key_in(public)
    private.write_text("no key", "utf-8")
    with pytest.raises(ConfigError, match="is no private key in PEM"):
        Signer(private)
    with pytest.raises(ConfigError, match="is no public key in PEM"):
        public_key_in(private)


def test_without_the_package_its_install_line_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(MissingExtraError, match="the extra 'sign' brings it"):
        Signer(path)


def test_a_copy_of_the_objects_alone_is_checked(old_store: DeletingDirectoryStore, tmp_path: Path) -> None:
    one = one_of(old_store)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "archive", copy, ignore=shutil.ignore_patterns("_manifest"))
    store = DirectoryStore(copy)
    assert list(object_findings(one, store)) == []
    first, second, third = (copy / held.key for held in one.objects)
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    second.unlink()
    shutil.copy(third, third.with_name("host-1-20261123T235959Z-4f2a9c.parquet"))
    found = [(finding.kind, Path(finding.key).name) for finding in object_findings(one, store)]
    assert found == [
        ("differs", first.name), ("missing", second.name), ("newer", "host-1-20261123T235959Z-4f2a9c.parquet"),
    ]  # fmt: skip


def test_another_segment_of_a_day_is_newer_also_if_it_begins_earlier(old_store: DeletingDirectoryStore) -> None:
    one = one_of(old_store)
    first, second, third = one.objects
    alone = msgspec.structs.replace(one, objects=[third], messages=third.rows)
    assert [(found.kind, found.key) for found in object_findings(alone, old_store)] == [
        ("newer", first.key), ("newer", second.key),
    ]  # fmt: skip


def test_what_was_pruned_later_is_named_as_pruned(old_store: DeletingDirectoryStore) -> None:
    before = one_of(old_store)
    old_archive.pruned(old_store)
    assert {finding.kind for finding in object_findings(before, old_store)} == {"pruned"}
    assert list(object_findings(one_of(old_store), old_store)) == []


def test_a_certificate_that_contradicts_itself_is_false(old_store: DeletingDirectoryStore) -> None:
    one = one_of(old_store)
    more = msgspec.structs.replace(one, messages=one.messages + 1)
    assert [finding.kind for finding in object_findings(more, old_store)] == ["false"]
    for changed in (
        {"verified_us": -5}, {"broken_us": 10**18}, {"unrepaired_gaps": -1}, {"judged_until": "noon"},
        {"verified_us": one.verified_us - 1, "absent_us": one.absent_us + 2},
        {"judged_until": "2026-11-25T00:00:00.000000Z", "absent_us": one.absent_us + DAY_US},
    ):  # fmt: skip
        strange = msgspec.structs.replace(one, **changed)
        assert {finding.kind for finding in object_findings(strange, old_store)} == {"false"}, changed
    other = msgspec.structs.replace(one, symbol="ETH/USD")
    assert {finding.kind for finding in object_findings(other, old_store)} == {"false"}


def test_a_certificate_stands_where_its_objects_do(old_store: DeletingDirectoryStore) -> None:
    one = one_of(old_store)
    assert {held.key.rpartition("/")[0] for held in one.objects} == {stream_key(one.stream, one.date)}


def test_a_signature_of_another_algorithm_is_no_certificate(old_store: DeletingDirectoryStore) -> None:
    signature = Signature("ed25519", to_base64(bytes(32)), to_base64(bytes(64)))
    content = CertificateFile(one_of(old_store), signature).encode().replace(b'"ed25519"', b'"none"')
    with pytest.raises(DamagedError, match="not a certificate"):
        decode_certificate(content)
