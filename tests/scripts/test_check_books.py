"""The books of an archive against the tickers in it, as the tool rebuilds and compares them."""

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector.cli import run_command
from collector.domain.errors import UndecodableError
from collector.domain.names import MANIFEST_FOLDER, manifest_key
from collector.domain.records import BACKFILLED_LINE, StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.read.books.checksum_check import RawRow, check
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store.directory import DirectoryStore
from tests.conftest import Lines
from tests.exchanges.kraken_v2 import book_frame
from tests.exchanges.recorded_markets import MARKETS, recording
from tests.storage.archive.archive_files import IDS
from tests.storage.segment.segment_files import NOON_US, Message, make_segment
from tests.storage.staging.staged_files import stage

ROOT = Path(__file__).parent.parent.parent
SPOT = "binance_spot/hftbacktest_btcusdt_20240808"
DATA_TYPES = ("book_delta", "book_ticker")
KRAKEN_SYMBOL = "XMR/USD"

Line = dict[str, Any]


def messages(exchange: str, lines: Iterable[Line]) -> Iterator[Message]:
    """BookObjects lines as a segment holds them: stream 0 are the deltas and snapshots, stream 1 the tickers."""
    market = adapter(exchange)
    assert market.rest is not None
    decode = market.decoder(Subscription(("BTCUSDT",), DATA_TYPES))
    for line in lines:
        if line["dir"] == "in" and "@trade" not in line["raw"][:50]:
            frame = line["raw"].replace("@depth@0ms", "@depth@100ms")  # which the futures' recorder asked for
            found, number = decode(frame.encode()), 0
        elif line["dir"] == "http":
            stream, number = StreamKey(exchange, "BTCUSDT", "book_delta"), BACKFILLED_LINE
            found = [market.rest.read_snapshot(stream, line["raw"].encode())]
        else:
            continue
        for one in found:
            assert one.id is not None
            place = DATA_TYPES.index(one.stream.data_type)
            yield place, 0, one.id, line["recv_ts_us"], one.exchange_us, number, one.payload


def archived(
    folder: Path, exchange: str, parts: Sequence[Iterable[Message]], symbol: str = "BTCUSDT", keep_raw: str = "0"
) -> Path:
    """An archive of so many segments."""
    store = DirectoryStore(folder / "archive")
    streams = [StreamKey(exchange, symbol, data_type) for data_type in DATA_TYPES]
    for number, part in enumerate(parts):
        base = folder / IDS[number]
        previous = IDS[number - 1] if number else ""
        path = make_segment(base, streams, part, segment_id=IDS[number], previous_segment=previous, keep_raw=keep_raw)
        with open_sealed(path) as segment:
            files, manifest = stage(segment, adapter, base, lambda: None)
        for file in files:
            store.put(file.object.key, file.path, file.object.sha256)
        content = manifest.encode()
        (base / "manifest").write_bytes(content)
        store.put(manifest_key(manifest.host, IDS[number]), base / "manifest", hashlib.sha256(content).hexdigest())
    return folder / "archive"


class Done(NamedTuple):
    """What the tool did."""

    code: str | int | None
    out: str
    err: str

    @property
    def book(self) -> dict[str, Any]:
        """The only book it printed as JSON."""
        (book,) = json.loads(self.out)["books"]
        found: dict[str, Any] = book
        return found


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the tool in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    monkeypatch.setenv("COLUMNS", "80")

    def main(*arguments: str | Path) -> Done:
        try:
            code: str | int | None = run_command("books", "check_books.py", [*map(str, arguments)])
        except SystemExit as end:
            code = end.code
        return Done(code, *capsys.readouterr())

    return main


@pytest.fixture
def spot(recorded: Lines) -> list[Message]:
    """A minute and a half of BTCUSDT."""
    return list(messages("binance", recorded(SPOT)[:12_000]))


def delta_at(spot: list[Message], number: int) -> int:
    """Where a delta stands among the messages."""
    return [place for place, message in enumerate(spot) if message[0] == 0 and message[5] == 0][number]


@pytest.mark.parametrize(
    ("exchange", "names", "equal"),
    [
        ("binance", [SPOT], 564),
        (
            "binance_usdm",
            ["binance_usdm/hftbacktest_btcusdt_20240718", "binance_usdm/hftbacktest_btcusdt_20240719"],
            625,
        ),
    ],
)
def test_every_recorded_ticker_agrees_with_its_book(
    run: Run,
    tmp_path: Path,
    recorded: Lines,
    exchange: str,
    names: list[str],
    equal: int,
) -> None:
    found = list(messages(exchange, [line for name in names for line in recorded(name)]))
    store = archived(tmp_path, exchange, [found[: len(found) // 3], found[len(found) // 3 :]])
    done = run(store, "--json")
    assert (done.code, done.err) == (0, "")
    book = done.book
    assert (book["equal"], book["different"], book["snapshots"], book["stretches"]) == (equal, 0, 1, 1)
    assert book["tickers"] == equal + book["no_counterpart"] + book["no_book"]
    assert book["first_stretches"][0]["why"] == "no snapshot yet"
    assert book["first_stretches"][0]["until_at"] is not None


def test_a_late_snapshot_is_ordered_by_its_id(run: Run, tmp_path: Path, spot: list[Message]) -> None:
    snapshot = next(message for message in spot if message[5] == BACKFILLED_LINE)
    rest = [message for message in spot if message is not snapshot]
    parts = [rest[:3000], rest[3000:6000], [*rest[6000:], snapshot]]
    whole, late = (
        run(archived(tmp_path / name, "binance", split), "--json") for name, split in (("a", [spot]), ("b", parts))
    )
    assert late.book == whole.book
    assert late.book["compared"] > 0


def test_after_a_missing_delta_the_book_is_unknown_until_a_snapshot(
    run: Run, tmp_path: Path, spot: list[Message]
) -> None:
    del spot[delta_at(spot, 500)]
    done = run(archived(tmp_path, "binance", [spot]), "--json")
    assert done.code == 0
    assert (done.book["stretches"], done.book["different"]) == (2, 0)
    assert done.book["no_book"] > 0
    broken = done.book["first_stretches"][1]
    assert (broken["why"], broken["until_at"]) == ("updates are missing, or a number in one cannot be read", None)


def test_a_difference_is_shown_with_its_time_and_id(run: Run, tmp_path: Path, spot: list[Message]) -> None:
    place = next(
        place
        for place, message in enumerate(spot)
        if message[0] == 1 and any(other[0] == 0 and other[2] == message[2] for other in spot)
    )
    ticker = spot[place]
    spot[place] = (*ticker[:-1], ticker[-1].replace(b'"B":"', b'"B":"1'))
    store = archived(tmp_path, "binance", [spot])
    done = run(store, "--json")
    assert done.code == 1
    assert done.book["different"] == 1
    difference = done.book["first_difference"]
    assert difference["update_id"] == ticker[2]
    assert difference["told"][1] != difference["rebuilt"][1]
    shown = run(store)
    assert shown.code == 1
    assert re.search(
        rf"first difference at id {ticker[2]}, 2024-08-0\d \d\d:\d\d:\d\d UTC: the exchange says", shown.out
    )
    assert "binance BTCUSDT by host-1" in " ".join(shown.out.split())


def test_filters_leave_only_what_is_asked_for(run: Run, tmp_path: Path, spot: list[Message]) -> None:
    store = archived(tmp_path, "binance", [spot])
    assert run(store, "--symbol", "BTCUSDT", "--exchange", "binance", "--since", "2024-08-08").code == 0
    assert run(store, "--symbol", "ETHUSDT") == (2, "", "error: no stream of that symbol: ETHUSDT\n")
    for nothing in (["--until", "2024-08-08"], ["--exchange", "binance_usdm"]):
        done = run(store, *nothing)
        assert (done.code, done.out) == (2, "")
        assert "nothing to compare" in done.err


def test_an_object_that_differs_from_its_manifest_ends_the_check(run: Run, tmp_path: Path, spot: list[Message]) -> None:
    store = archived(tmp_path, "binance", [spot])
    next(store.rglob("*book_ticker/**/*.parquet")).write_bytes(b"short")
    done = run(store)
    assert done.code == 2
    assert "differs from its manifest; collector verify says how" in done.err


def test_a_book_without_ids_is_said_to_be_beyond_comparison(run: Run, tmp_path: Path) -> None:
    book = book_frame("snapshot", "BTC/USD", [("9.5", "1")], [("10.5", "2")], None)
    ticker = b'{"channel":"ticker","data":[{"symbol":"BTC/USD","bid":9.5,"bid_qty":1,"ask":10.5,"ask_qty":2}]}'
    rows = [(place, 0, place + 1, NOON_US, NOON_US, 0, payload) for place, payload in enumerate((book, ticker))]
    done = run(archived(tmp_path, "kraken", [rows]))
    assert done.code == 2
    assert re.findall("cannot be compared: (.*)", done.out) == ["the deltas have no ids", "the tickers have no ids"]


@pytest.fixture
def kraken(recorded: Lines) -> list[Message]:
    """A book of Kraken, whose checksums are as recorded."""
    (market,) = (one for one in MARKETS if one.exchange == "kraken")
    found = recording(market, recorded)
    decode = market.adapter.decoder(found.subscription)
    kept: list[Message] = []
    for at_us, frame in found.frames:
        with suppress(UndecodableError):
            kept += [
                (0, 0, len(kept) + 1, at_us, one.exchange_us, 0, one.payload)
                for one in decode(frame)
                if one.stream == StreamKey("kraken", KRAKEN_SYMBOL, "book_delta")
            ]
    return kept


def test_books_are_held_against_checksums_where_texts_were_kept(
    run: Run, tmp_path: Path, kraken: list[Message]
) -> None:
    whole = archived(tmp_path / "whole", "kraken", [kraken[:200], kraken[200:]], KRAKEN_SYMBOL, keep_raw="1")
    done = run(whole, "--json")
    (told,) = json.loads(done.out)["checksums"]
    assert (done.code, told["messages"], told["different"]) == (0, len(kraken), 0)
    assert told["matched"] == len(kraken) - told["no_checksum"] > 300
    assert "matched" in run(whole).out

    holed = archived(tmp_path / "holed", "kraken", [[*kraken[:200], *kraken[210:]]], KRAKEN_SYMBOL, keep_raw="1")
    done = run(holed, "--json")
    (told,) = json.loads(done.out)["checksums"]
    assert (done.code, told["different"]) == (1, 1)
    assert told["no_book"] > 0
    assert "the first differs at" in run(holed).out


def test_behind_a_row_whose_text_was_not_kept_no_checksum_is_compared(kraken: list[Message]) -> None:
    texts = [message[6].decode() for message in kraken[:10]]
    rows = [RawRow(number, text if number != 5 else None) for number, text in enumerate(texts)]
    found = check(rows, adapter("kraken").checks["book_delta"])
    assert (found.messages, found.matched, found.no_checksum) == (10, 4, 1)
    assert (found.no_text, found.no_book, found.different) == (1, 4, 0)


def test_a_folder_that_is_no_archive_is_an_error(run: Run, tmp_path: Path, spot: list[Message]) -> None:
    archived(tmp_path, "binance", [spot[:1]])
    hint = f"; a recorder's archive is {tmp_path / 'archive'}"
    assert run(tmp_path) == (2, "", f"error: there is no archive in {tmp_path}{hint}\n")
    assert run(tmp_path / "none") == (2, "", f"error: there is no archive in {tmp_path / 'none'}\n")


def test_a_damaged_manifest_is_named_and_the_others_are_checked(run: Run, tmp_path: Path, spot: list[Message]) -> None:
    store = archived(tmp_path, "binance", [spot, spot[:1]])
    whole, last = sorted((store / MANIFEST_FOLDER).rglob("*.json"))
    last.write_bytes(b"{")
    done = run(store, "--json")
    assert (done.code, done.book["different"]) == (1, 0)
    assert done.book["compared"] > 0
    (line,) = done.err.splitlines()
    assert line.startswith(f"error: not read: {last.relative_to(store)}: ")
    whole.write_bytes(b"{")
    assert run(store).code == 2


def test_a_period_that_ends_before_it_begins_is_refused(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path, "--since", "2024-08-09", "--until", "2024-08-08")
    assert (done.code, done.err) == (2, "error: --from must be before --to\n")


def test_only_a_few_files_are_open_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    reading = importlib.import_module("collector.read.books.archive_rows")
    opened: list[int] = []

    def file(number: int) -> Iterator[Any]:
        opened.append(number)
        for step in (0, 2, 4):
            yield reading.KeyedRow((0, 10 * number + step), 0, None)

    ids = []
    for kept in reading.merged([file(number) for number in range(20)]):
        ids.append(kept.key[1])
        assert len(opened) <= kept.key[1] // 10 + reading.OPEN_FILES
    assert ids == sorted(ids)
    assert len(ids) == 60
