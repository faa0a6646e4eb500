"""`collector certify` as a person runs it: what it writes, what it says, its exit codes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from collector import cli
from collector.storage.store.deleting import DeletingDirectoryStore
from tests.conftest import Lines
from tests.read.recorded_world import RecordedWorld, binance_frames
from tests.read.test_certificates import key_file
from tests.seaweed import ADMIN, Seaweed
from tests.storage.archive import old_archive

FIRST = "exchange=toy/data_type=trade/symbol=BTC%2FUSD/date=2026-11-23"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the archive `archive` of three days is, and the keys."""
    old_archive.fill(DeletingDirectoryStore(tmp_path / "archive"), tmp_path / "made")
    key_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def certify(*arguments: str) -> int:
    return cli.main(["certify", *arguments])


def written(folder: Path) -> dict[str, bytes]:
    files = (path for path in (folder / "certificates").rglob("*") if path.is_file())
    return {str(path.relative_to(folder / "certificates")): path.read_bytes() for path in files}


def test_it_writes_a_certificate_a_day_and_stream_and_a_heatmap(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify("archive") == 0
    files = written(folder)
    assert len(files) == 3 * 2 + 2
    assert f"{FIRST}.json" in files
    assert files["heatmap.svg"].startswith(b"<svg")
    assert f'href="{FIRST.replace("%", "%25")}.json"'.encode() in files["index.html"]
    *streams, total = capsys.readouterr().out.splitlines()
    assert streams == [f"toy BTC/USD {name}: 3 days (1 available, 2 degraded)" for name in ("book_delta", "trade")]
    assert total == "6 days (2 available, 4 degraded) in certificates; look at certificates/index.html"
    assert certify("archive") == 0
    assert written(folder) == files


def test_the_heatmap_shows_what_was_certified_before(folder: Path) -> None:
    assert certify("archive", "--symbol", "BTC/USD", "--data-type", "trade", "--to", "2026-11-24") == 0
    assert len(written(folder)) == 1 + 2
    assert certify("archive", "--data-type", "book_delta", "--from", "2026-11-24") == 0
    assert [name in written(folder)["index.html"].decode() for name in ("BTC/USD trade", "BTC/USD book_delta")] == [
        True, True,
    ]  # fmt: skip


def test_what_it_wrote_is_as_certified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify("archive", "--key", "recorder.key") == 0
    capsys.readouterr()
    shutil.rmtree(folder / "archive/_manifest")
    assert certify("--check", f"certificates/{FIRST}.json", "archive") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("toy BTC/USD trade 2026-11-23 is degraded, as certified: 8 messages at file:///")
    assert "; signed by SHA256:" in line
    assert certify("--check", "certificates", "--key", "recorder.pub", "--json", "archive") == 0
    checked = json.loads(capsys.readouterr().out)
    assert [(one["data_type"], one["findings"]) for one in checked] == [
        (name, []) for name in ("book_delta", "trade") for _ in range(3)
    ]


def test_a_check_that_finds_something_says_what_and_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify("archive") == 0
    capsys.readouterr()
    file = folder / f"certificates/{FIRST}.json"
    key = json.loads(file.read_bytes())["certificate"]["objects"][0]["key"]
    (folder / "archive" / key).unlink()
    assert certify("--check", str(file), "--key", "recorder.pub", "archive") == 1
    assert capsys.readouterr().out.splitlines() == [
        f"unsigned {file}: it has no signature",
        f"missing  {key}: it is not there",
    ]


def test_a_certificate_in_anothers_place_is_false(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify("archive", "--key", "recorder.key") == 0
    file, other = (folder / f"certificates/{FIRST.removesuffix('23')}{day}.json" for day in (23, 24))
    shutil.copy(other, file)
    shutil.copy(other, folder / "sent.json")
    capsys.readouterr()
    said = "it stands in another's place: it is of toy BTC/USD trade 2026-11-24"
    assert certify("--check", "certificates", "--key", "recorder.pub", "archive") == 1
    assert f"false    {file.relative_to(folder)}: {said}" in capsys.readouterr().out.splitlines()
    assert certify("--check", "sent.json", "archive") == 0, "outside such folders it has no place"
    assert certify("archive", "--data-type", "book_delta") == 2
    assert "it is the certificate of toy BTC/USD trade 2026-11-24" in capsys.readouterr().err


def test_what_a_recorder_has_not_archived_yet_is_pending(
    tmp_path: Path, recorded: Lines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = binance_frames(recorded, 1_000)
    world = RecordedWorld(tmp_path / "data")
    world.receive(frames[:500])
    world.seal()
    world.archive()
    world.receive(frames[500:])
    world.commit()
    monkeypatch.chdir(tmp_path)
    for arguments, state in (([], "pending"), (["--data-dir", "data"], "pending"), (["data/archive"], "degraded")):
        assert certify(*arguments) == 0
        assert capsys.readouterr().out.splitlines()[0] == f"binance BTCUSDT book_delta: 1 day (1 {state})"


def test_an_archive_in_a_bucket_is_certified_and_checked(
    folder: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = seaweed.new_bucket()
    old_archive.fill(seaweed.deleting_store(bucket, "lake"), folder / "made again")
    monkeypatch.setenv("COLLECTOR_ARCHIVE__ENDPOINT_URL", seaweed.endpoint_url)
    for name, value in ADMIN.items():
        monkeypatch.setenv(name, value)
    assert certify("archive") == 0
    local = written(folder)
    assert certify(f"s3://{bucket}/lake") == 0
    assert written(folder) == local
    assert certify("--check", "certificates", f"s3://{bucket}/lake") == 0


def damage_manifest(folder: Path) -> None:
    next((folder / "archive").glob("_manifest/date=*/*.json")).write_bytes(b"{}")


def leave_another_file(folder: Path) -> None:
    path = folder / f"certificates/{FIRST}".replace("2026-11-23", "2020-01-01.json")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "line", "said"),
    [
        (nothing, "nowhere", "nowhere is not a folder"),
        (nothing, "made", "there is no archive in"),
        (nothing, ". --symbol X", "a recorder's archive is"),
        (nothing, "archive --symbol ETHUSDT", "no stream of that symbol: ETHUSDT"),
        (nothing, "archive --exchange binance", "no stream of that exchange: binance"),
        (nothing, "archive --data-type liquidation", "no stream of that data type: liquidation"),
        (nothing, "archive --from 2026-11-24 --to 2026-11-23", "--from must be before --to"),
        (nothing, "archive --from 2090-01-01", "no stream has a day of that choice"),
        (nothing, "archive --key recorder.pub", "is a public key: only the private one signs"),
        (
            nothing,
            "archive --check certificates --from 2026-11-24",
            "--check looks at whole certificates: --from belongs",
        ),
        (nothing, "archive --check made --symbol X", "--check looks at whole certificates: --symbol belongs"),
        (nothing, "archive --check nowhere", "nowhere does not exist; name a certificate, or a folder of them"),
        (nothing, "archive --check made", "there is no certificate in made"),
        (nothing, "archive --check recorder.key", "recorder.key: not a certificate"),
        (nothing, "archive --check recorder.key --key recorder.key", "recorder.key is a private key"),
        (leave_another_file, "archive", "date=2020-01-01.json: not a certificate"),
        (damage_manifest, "archive", "what is missing cannot be told"),
    ],
)
def test_bad_input_is_answered_with_what_is_wrong(
    folder: Path, prepare: Callable[[Path], None], line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(folder)
    assert certify(*line.split()) == 2
    found = capsys.readouterr()
    lines = found.err.splitlines()
    assert all(one.startswith("error: ") for one in lines)
    assert any(said in one for one in lines)
