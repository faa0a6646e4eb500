"""While two connections deliver a stream, each message is stored once, however far one of them lags."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from collector.config import WriterConfig
from collector.domain.records import IdRule
from collector.exchanges.adapter import Decode, Subscription
from collector.exchanges.binance import BinanceUsdm
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.open_segment import OpenSegment
from tests.processes.writer import writer_harness
from tests.processes.writer.gaps.test_ledger_of_recordings import received
from tests.processes.writer.test_sources import toy_world
from tests.processes.writer.toy_exchange import at, message
from tests.processes.writer.toy_exchange import frame as toy_frame
from tests.processes.writer.writer_harness import START_NS, World, connection, trade

SECOND: Final = 1_000_000
OPENS, RELIEVES, ENDS = 40 * SECOND, 70 * SECOND, 110 * SECOND
"""When, in a recording, the second connection opens, the first is left, and the recording is cut."""

ID = re.compile(rb'"u":(\d+)')

Frames = list[tuple[int, bytes]]
"""Each with its microseconds since the first."""

Arrivals = list[tuple[int, int, bytes]]
"""The same, each with the connection that brings it."""


@pytest.fixture(scope="module")
def best_prices(data: Path) -> Frames:
    """Best prices of BTCUSDT on USD-M."""
    recording = received(data / "frames/binance_usdm/hftbacktest_btcusdt_20240718.jsonl.zst")
    frames = [(at_us - recording[0][0], frame) for at_us, frame in recording if b"@bookTicker" in frame]
    return [(at_us, frame) for at_us, frame in frames if at_us < ENDS]


def late(frames: Frames, secs: float = 0.0, messages: int = 0) -> Frames:
    """When messages arrive that are this many seconds or messages late."""
    times = [at_us for at_us, _ in frames]
    times = times[messages:] + times[-1:] * messages
    return [(at_us + round(secs * SECOND), frame) for at_us, (_, frame) in zip(times, frames, strict=True)]


def renewal(old: Frames, new: Frames) -> Arrivals:
    """Messages of two connections of one line in order of arrival; the old one closes once the new one has data."""
    first = [(at_us, 1, frame) for at_us, frame in old if at_us < RELIEVES]
    second = [(at_us, 2, frame) for at_us, frame in new if at_us >= OPENS]
    return sorted(first + second, key=lambda arrival: arrival[0])


def write(world: World, arrivals: Arrivals) -> None:
    identity = FeedIdentity("f", "binance_usdm", ("BTCUSDT",), ("book_ticker",))
    journal = JournalWriter(world.config.data_dir / "journal" / "f", identity, 1, 1 << 30, lambda: world.now_ns)
    opens = [(0, 1), (OPENS, 2)]
    for at_us, number, frame in arrivals:
        while opens and opens[0][0] <= at_us:
            opened_us, opened = opens.pop(0)
            journal.append_event(RecordKind.CONNECT, world.now_ns + opened_us * 1_000, 0, connection(opened))
        journal.append_frames(world.now_ns + at_us * 1_000, 0, [frame], connection=number)
    journal.close()


def killed_after(commits: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, stored = OpenSegment.store, iter(range(commits))

    def store(segment: OpenSegment, commit: Any) -> None:
        if next(stored, None) is None:
            raise KeyboardInterrupt  # like a kill: nothing of this commit happened
        real(segment, commit)

    with monkeypatch.context() as patch:
        patch.setattr(OpenSegment, "store", store)
        with pytest.raises(KeyboardInterrupt):
            world.run()


def ids(arrivals: Arrivals) -> Iterator[int]:
    return (int(found[1]) for *_, frame in arrivals if (found := ID.search(frame)))


LAGS: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({}, {}),
    ({"secs": 0.1}, {}),
    ({"messages": 250}, {}),
    ({"secs": 20.0}, {}),
    ({}, {"secs": 0.1}),
    ({}, {"messages": 250}),
    ({}, {"secs": 8.0}),
]
"""Of the connection that is renewed and of its successor."""


@pytest.mark.parametrize(("old", "new"), LAGS, ids=str)
@pytest.mark.parametrize("kills", [0, 4])
def test_a_renewal_stores_each_message_once_also_after_kills(
    best_prices: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Any, new: Any, kills: int
) -> None:
    world = World(tmp_path, writer=WriterConfig(max_batch_size=450, adaptive=False))
    arrivals = renewal(late(best_prices, **old), late(best_prices, **new))
    write(world, arrivals)
    for _ in range(kills):
        killed_after(2, world, monkeypatch)
    world.run()
    stored = [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")]
    assert stored == sorted(set(ids(arrivals)))
    assert len(arrivals) - len(stored) > 300
    if not kills:
        assert world.numbers.duplicates == len(arrivals) - len(stored)


class WithoutIds(BinanceUsdm):
    """Best prices of an exchange that sends no ids."""

    @property
    def id_rules(self) -> Mapping[str, IdRule]:
        return {**super().id_rules, "book_ticker": IdRule.NONE}

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        decode = super().decoder(subscription, state)
        return lambda frame: [envelope._replace(id=None, first_id=None) for envelope in decode(frame)]


def expected_without_ids(arrivals: Arrivals) -> list[int]:
    """Each message once; twice if the new connection repeats one that the old one delivered before it opened."""
    early = {frame for at_us, number, frame in arrivals if number == 1 and at_us < OPENS}
    again = [arrival for arrival in arrivals if arrival[1] == 2 and arrival[2] in early]
    return sorted([*set(ids(arrivals)), *ids(again)])


@pytest.mark.parametrize(("old", "new"), LAGS, ids=str)
@pytest.mark.parametrize("kills", [0, 4])
def test_messages_without_ids_are_stored_once_while_connections_overlap(
    best_prices: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Any, new: Any, kills: int
) -> None:
    monkeypatch.setattr(writer_harness, "adapter", lambda _exchange: WithoutIds())
    world = World(tmp_path, writer=WriterConfig(max_batch_size=450, adaptive=False))
    arrivals = renewal(late(best_prices, **old), late(best_prices, **new))
    write(world, arrivals)
    for _ in range(kills):
        killed_after(2, world, monkeypatch)
    world.run()
    stored = [int(ID.findall(payload)[0]) for payload in world.payloads()]
    assert sorted(stored) == expected_without_ids(arrivals)
    if not kills:
        assert world.numbers.duplicates == len(arrivals) - len(stored)


def test_equal_messages_without_ids_on_one_connection_are_all_stored(
    best_prices: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_harness, "adapter", lambda _exchange: WithoutIds())
    world = World(tmp_path)
    _, frame = best_prices[0]
    write(world, [(second * SECOND, 1, frame) for second in range(20)])
    world.run()
    assert world.payloads() == [frame] * 20


@pytest.mark.parametrize("kills", [0, 3])
def test_an_undecodable_frame_from_two_lines_is_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    world = World(tmp_path, writer=WriterConfig(max_batch_size=7, adaptive=False))
    journal = world.journal()
    for line in (0, 1):
        journal.append_event(RecordKind.CONNECT, START_NS, line, connection(line + 1))
    sent = [b"not readable %d" % (number // 2) for number in range(30)]
    for step in range(33):
        for line, lag in ((0, 0), (1, 3)):
            journal.append_frames(
                START_NS + step, line, sent[max(0, step - lag) : max(0, step - lag + 1)], (), line + 1
            )
    journal.append_frames(START_NS + 40, 0, [sent[0]], (), 1)
    journal.append_frames(START_NS + 62 * 10**9, 0, [trade(1)], (), 1)
    for _ in range(kills):
        killed_after(1, world, monkeypatch)
    world.run()
    assert world.payloads() == [*sent, sent[0], trade(1)]
    assert world.query("SELECT kind, missing FROM gaps ORDER BY detected_at DESC LIMIT 1") == [("undecodable", 31)]
    if not kills:
        assert (world.numbers.undecodable, world.numbers.duplicates) == (31, 30)


@pytest.mark.parametrize("edge", [None, "b"])
def test_a_message_without_an_id_that_came_just_before_its_other_line_stood_again_is_stored_once(
    edge: str | None,
) -> None:
    world = toy_world(types=("liquidation",))
    world.ingest(edge, "ingest")
    for connection_, line, opens in ((1, 0, 0), (2, 1, 0)):
        world.connect(edge, connection_, at(opens), line=line)
    world.disconnect(edge, 2, at(5), line=1)
    sent = [toy_frame(message("liquidation", None, number=number)) for number in range(3)]
    world.receive(edge, at(7), sent[:1], 1)
    world.receive(edge, at(9.5), sent[1:2], 1)
    world.restart()
    world.connect(edge, 3, at(10), line=1)
    world.receive(edge, at(10), sent[1:], 3, line=1)
    world.receive(edge, at(10.1), sent[2:], 1)
    world.commit()
    assert len(world.payloads) == len(sent)
