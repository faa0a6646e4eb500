"""Recorders with one line or two whose exchange and network are struck, and what came of it: archive and ledger against what
the exchange sent.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from tests.whole.accounts import gaps_of
from tests.whole.holes import Hole, Stream, Told, between, count, differences, ids_stored, told
from tests.whole.networks import DroppingNetwork, with_hosts
from tests.whole.running import Exchange, Recorder, wait_for

T = TypeVar("T")

NAME: Final = "exchange.test"
DATA_TYPES: Final = {"trade": "trade", "depthUpdate": "book_delta"}
SECOND_ELSEWHERE: Final = ("--fault", "handshake,after=1,status=503")
"""Refuses the second connection once, so that the second line goes on to the next address of the name."""


class Load(NamedTuple):
    """What the exchange sends, and what of it is recorded."""

    symbols: tuple[str, ...] = ("BTCUSDT",)
    data_types: tuple[str, ...] = ("book_snapshot", "book_delta", "trade")
    rate: float = 100.0
    """Messages per second and symbol, roughly."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the simulator."""
        return ("--symbols", ",".join(self.symbols), "--rate", f"{self.rate:g}", "--seed", "3")

    def feed(self, lines: int) -> dict[str, Any]:
        """The feed's settings."""
        return {"symbols": list(self.symbols), "data_types": list(self.data_types), "lines": lines}


ONE_SYMBOL: Final = Load()


class Frame(NamedTuple):
    """A trade or a diff, by the ids that it covers."""

    stream: Stream
    ids: Hole


class Balance(NamedTuple):
    """What an exchange made for at least one connection, up to the last message stored of each stream, and what is stored."""

    made: int
    """Frames, also those that it left out on purpose on every connection."""
    stored: int
    left_out: int
    """Frames that were sent on no connection."""
    lost: int
    """Frames that were made and are not stored."""
    lacking: dict[Stream, list[Hole]]
    ledger: dict[Stream, list[Told]]
    rows: int
    """Of the ledger, one for each gap, of any kind but where a book was unknown."""

    @property
    def differences(self) -> list[str]:
        """Where the ledger is not exact."""
        return differences(self.lacking, self.ledger)

    def missing(self, data_type: str) -> int:
        """How many ids the archive lacks."""
        return sum(count(holes) for stream, holes in self.lacking.items() if stream.data_type == data_type)

    def told(self, data_type: str) -> int:
        """How many ids are missing as the ledger says."""
        return sum(row.missing for stream, rows in self.ledger.items() if stream.data_type == data_type for row in rows)


class Struck:
    """A recorder of an exchange with that many lines; `standing` are the numbers of its connections, the next to be struck first."""

    def __init__(self, source: Exchange, recorder: Recorder, lines: int) -> None:
        self.source = source
        self.recorder = recorder
        self._standing = list(range(1, lines + 1))

    def wait_until_lines_bring(self, messages: int) -> None:
        """Wait until all lines are subscribed, and that many more messages are stored."""
        wait_for(lambda: self._subscribed() >= set(self._standing))
        self.recorder.wait_for_messages(self.recorder.messages() + messages)

    def _subscribed(self) -> set[int]:
        return {one["number"] for one in self.source.stats()["connections"] if one["streams"]}

    def strike(self, kind: str) -> float:
        """Strike the connection that was struck longest ago. Returns after how many seconds another one stood in its place."""
        known = self.source.stats()["connections_total"]
        self.source.fault(kind=kind, now=True, connection=self._standing.pop(0))
        struck_at = time.monotonic()
        self._standing.append(known + 1)
        wait_for(lambda: known + 1 in self._subscribed())
        return time.monotonic() - struck_at

    def lose(self, probability: float, frames: int) -> None:
        """Leave out each frame with this probability, on each connection by itself, until that many have been made."""
        self.source.fault(kind="drop", probability=probability)
        wait_for(lambda: self.recorder.alive() and self.recorder.messages() >= frames)
        self.source.heal()
        self.wait_until_lines_bring(100 * len(self.source.stats()["frames_by_stream"]))

    def end(self) -> Balance:
        """Stop both, and compare."""
        assert self.recorder.stop() == 0
        self.source.stop()
        return balance(self.recorder, self.source.sent_log)


@contextmanager
def struck(folder: Path, lines: int, load: Load = ONE_SYMBOL, **sections: Mapping[str, Any]) -> Iterator[Struck]:
    """Record on loopback; gone at the end of the `with` block."""
    source = Exchange(folder, *load.arguments)
    recorder = Recorder(folder, source.ws_url, feed=load.feed(lines), **sections)
    with _ended(Struck(source, recorder, lines)) as both:
        yield both


@contextmanager
def struck_in(
    network: DroppingNetwork, folder: Path, lines: int, load: Load = ONE_SYMBOL, **sections: Mapping[str, Any]
) -> Iterator[Struck]:
    """Record over that network, by a name with all of its addresses: a second line goes to the second one."""
    refusal = SECOND_ELSEWHERE if lines > 1 else ()
    source = Exchange(folder, "--host", "0.0.0.0", *load.arguments, *refusal, within=network.within)
    port = urlsplit(source.ws_url).port
    source.rest_url = f"http://{network.addresses[-1]}:{port}"
    hosts = "".join(f"{address} {NAME}\n" for address in network.addresses) + "127.0.0.1 localhost\n"
    recorder = Recorder(folder, f"ws://{NAME}:{port}", feed=load.feed(lines), **sections)
    recorder.program = [*with_hosts(folder / "hosts", hosts), *recorder.program]
    with _ended(Struck(source, recorder, lines)) as both:
        yield both


@contextmanager
def _ended(both: Struck) -> Iterator[Struck]:
    try:
        both.recorder.start()
        yield both
    finally:
        both.recorder.end()
        both.source.stop()


def balance(recorder: Recorder, sent_log: Path, symbols: Collection[str] | None = None) -> Balance:
    """Compare what was stored, and what the ledger says, with what was sent; both have ended. `symbols`: only of these.

    Fails where anything was stored twice or was never sent, and where a frame that is not stored is in no hole of the ids.
    """
    stored = _of(symbols, ids_stored(recorder))
    kept = {Frame(stream, ids) for stream, covers in stored.items() for ids in covers}
    made, sent = frames_of(sent_log)
    assert kept - sent == set(), "never sent"
    made = {frame for frame in made if frame.stream in stored and frame.ids.after <= stored[frame.stream][-1].after}
    lacking = {stream: holes for stream, covers in stored.items() if (holes := between(covers))}
    lost = made - kept
    assert [frame for frame in lost if not _is_in(frame.ids, lacking.get(frame.stream, ()))] == []
    rows = [row for row in gaps_of(recorder.data_dir / "archive") if symbols is None or row["symbol"] in symbols]
    open_rows = sum(row["status"] != "repaired" for row in rows)
    ledger = _of(symbols, told(recorder))
    return Balance(len(made), len(kept), len(made - sent), len(lost), lacking, ledger, open_rows)


def _of(symbols: Collection[str] | None, found: Mapping[Stream, T]) -> dict[Stream, T]:
    return {stream: what for stream, what in found.items() if symbols is None or stream.symbol in symbols}


def _is_in(ids: Hole, holes: Sequence[Hole]) -> bool:
    return any(hole.first <= ids.first and ids.after <= hole.after for hole in holes)


def frames_of(sent_log: Path) -> tuple[set[Frame], set[Frame]]:
    """The trades and diffs that the exchange made for any connection, and those that the kernel took for any."""
    made, sent = set[Frame](), set[Frame]()
    with sent_log.open("rb") as log:
        for text in log:
            line = json.loads(text)
            if (frame := _frame(line)) is not None:
                made.add(frame)
                if "event" not in line:
                    sent.add(frame)
    return made, sent


def _frame(line: Mapping[str, Any]) -> Frame | None:
    if line.get("event", "dropped") != "dropped" or "raw" not in line:
        return None
    data = json.loads(line["raw"])["data"]
    data_type = DATA_TYPES.get(data.get("e", ""))
    if data_type is None:
        return None
    first, last = (data["t"], data["t"]) if data_type == "trade" else (data["U"], data["u"])
    return Frame(Stream(data["s"], data_type), Hole(first, last + 1))
