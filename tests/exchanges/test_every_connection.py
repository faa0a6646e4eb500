"""Each exchange's recording over two lines, a renewal, a cut and frames out of place: rows exact, losses in the ledger."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import pytest

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, Gap, IdRule, StreamKey
from collector.storage.journal.format import RecordKind, encode_event
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, Received, RecordedMarket, Recording, recording
from tests.processes.writer.processor_world import ProcessorWorld

FRAMES: Final = 1_500
LAG_US: Final = 40_000
Row = tuple[StreamKey, bytes]


@pytest.fixture(params=MARKETS, ids=str)
def played(request: pytest.FixtureRequest, recorded: Lines) -> Recording:
    market: RecordedMarket = request.param
    whole = recording(market._replace(most=FRAMES), recorded)
    # One plan: what is tried here are connections that carry the same streams.
    types = tuple(one for one in whole.subscription.data_types if one != "liquidation")
    return whole._replace(subscription=whole.subscription._replace(data_types=types))


class Connections:
    """A writer's feed, whose connections this test opens, feeds and ends."""

    def __init__(self, played: Recording) -> None:
        symbols, data_types = played.subscription
        self.world = ProcessorWorld(played.market.exchange, symbols, data_types, repaired=False)
        self._plans = len(played.market.adapter.shares(played.subscription))

    def open(self, number: int, at_us: int, line: int = 0) -> None:
        """Connections of all plans, the first of which brings every frame."""
        for plan in range(self._plans):
            about = {"connection": number + plan, "plan": plan, "url": "ws://x", "streams": 1}
            self.world._take("f", encode_event(RecordKind.CONNECT, at_us * 1_000, line, about))

    def end(self, number: int, at_us: int, cause: str = "disconnect") -> None:
        for plan in range(self._plans):
            about = {
                "connection": number + plan,
                "reason": "lost",
                "cause": cause,
                "text": "",
                "alive_ns": at_us * 1_000,
            }
            self.world.happened(RecordKind.DISCONNECT, at_us, **about)

    def bring(self, number: int, frames: Iterable[Received], line: int = 0) -> None:
        for at_us, frame in frames:
            self.world.receive(at_us, [frame], line, number)

    def finish(self, at_us: int) -> list[Gap]:
        """Settle everything; returns the rows of the ledger."""
        self.world.processor.ledger.close(at_us + 60_000_000)
        self.world.commit()
        return list(self.world.latest().values())

    def rows(self) -> Counter[Row]:
        keys = {stream.stream_id: stream.key for stream in self.world.streams}
        return Counter(
            (keys[stream_id], payload)
            for (stream_id, _), payload in zip(self.world.messages, self.world.payloads, strict=True)
        )


def found(played: Recording, frames: Iterable[Received]) -> Iterator[tuple[int, list[Envelope]]]:
    """The messages of each frame, by its place."""
    decode = played.market.adapter.decoder(played.subscription)
    for index, received in enumerate(frames):
        try:
            yield index, decode(received.frame)
        except UndecodableError:
            yield index, []


def sent_once(played: Recording, frames: Iterable[Received]) -> Counter[Row]:
    """What is to be stored of frames that one connection delivers: each message with an id once."""
    rules, rows, seen = played.market.adapter.id_rules, Counter[Row](), set[tuple[StreamKey, int]]()
    for _, messages in found(played, frames):
        for one in messages:
            has_id = one.id is not None and not one.is_snapshot and rules[one.stream.data_type] is not IdRule.NONE
            if not one.payload or (has_id and (one.stream, one.id) in seen):
                continue
            if has_id:
                seen.add((one.stream, one.id or 0))
            rows[one.stream, one.payload] += 1
    return rows


def snapshots(played: Recording) -> set[Row]:
    return {
        (one.stream, one.payload) for _, messages in found(played, played.frames) for one in messages if one.is_snapshot
    }


def proven(played: Recording, key: StreamKey) -> bool:
    return played.market.adapter.id_rules[key.data_type].proves_continuity


def losses(gaps: Iterable[Gap]) -> list[Gap]:
    return [gap for gap in gaps if gap.kind not in {"silence", "undecodable"} and gap.status != "repaired"]


def test_two_lines_leave_the_rows_of_one(played: Recording) -> None:
    frames, both = played.frames, Connections(played)
    both.open(1, frames[0].at_us - 1)
    both.open(101, frames[0].at_us - 1, line=1)
    late = [(one.at_us + LAG_US, 101, 1, one.frame) for one in frames]
    for at_us, number, line, frame in sorted(
        [(one.at_us, 1, 0, one.frame) for one in frames] + late, key=lambda one: one[0]
    ):
        both.bring(number, [Received(at_us, frame)], line)
    assert losses(both.finish(frames[-1].at_us)) == []
    repeated = snapshots(played)
    stored = Counter({row: count for row, count in both.rows().items() if row not in repeated})
    expected = Counter({row: count for row, count in sent_once(played, frames).items() if row not in repeated})
    undecoded = {row for row in stored if row[0].data_type == "undecoded"}
    assert Counter({row: count for row, count in stored.items() if row not in undecoded}) == expected


def test_a_renewal_loses_nothing_and_doubles_nothing_that_has_an_id(played: Recording) -> None:
    """The new connection begins with all that the first one was sent: acknowledgements, snapshots, and what follows."""
    frames, renewed = played.frames, Connections(played)
    middle = len(frames) // 2
    renewed.open(1, frames[0].at_us - 1)
    renewed.bring(1, frames[:middle])
    renewed.open(101, frames[middle].at_us)
    renewed.bring(101, (Received(frames[middle].at_us, one.frame) for one in frames[:middle]))
    renewed.end(1, frames[middle].at_us + 1, "renewed")
    renewed.bring(101, (one for one in frames[middle:]))
    gaps = renewed.finish(frames[-1].at_us)
    assert [gap for gap in losses(gaps) if gap.kind == "sequence"] == []
    rules = played.market.adapter.id_rules
    without_ids = {one.stream for _, messages in found(played, frames) for one in messages if one.id is None}
    numbered = {
        key for key in {row[0] for row in renewed.rows()} if rules.get(key.data_type, IdRule.NONE) is not IdRule.NONE
    } - without_ids
    repeated = snapshots(played)

    def of_numbered(rows: Counter[Row]) -> Counter[Row]:
        return Counter({row: count for row, count in rows.items() if row[0] in numbered and row not in repeated})

    assert of_numbered(renewed.rows()) == of_numbered(sent_once(played, frames))


def test_what_a_cut_lost_is_in_the_ledger_of_each_stream(played: Recording) -> None:
    """Streams whose ids prove it get a row with what is missing, all others one of the silence."""
    frames, cut = played.frames, Connections(played)
    first, second = len(frames) // 3, 2 * len(frames) // 3
    cut.open(1, frames[0].at_us - 1)
    cut.bring(1, frames[:first])
    cut.end(1, frames[first].at_us)
    cut.open(101, frames[second].at_us - 1)
    controls = [
        one for index, one in enumerate(frames[:second]) if played.market.adapter.control(one.frame) is not None
    ]
    cut.bring(101, (Received(frames[second].at_us, one.frame) for one in controls))
    cut.bring(101, frames[second:])
    gaps = cut.finish(frames[-1].at_us)
    before, lost, after = (streams_of(played, part) for part in (frames[:first], frames[first:second], frames[second:]))
    for key in before.keys() & after.keys():
        rows = [gap for gap in gaps if gap.stream_type == key.data_type and gap.kind in {"sequence", "silence"}]
        if not proven(played, key) or None in before[key]:
            assert any(gap.kind == "silence" and gap.cause in {"disconnect", "restart"} for gap in rows), key
        elif any(lost.get(key, [])):
            assert any(gap.kind == "sequence" and gap.cause == "disconnect" for gap in rows), key


def streams_of(played: Recording, frames: list[Received]) -> dict[StreamKey, list[int | None]]:
    """The ids of each stream's messages that are no snapshot."""
    ids: dict[StreamKey, list[int | None]] = defaultdict(list)
    decode = played.market.adapter.decoder(played.subscription)
    wanted = {id(one) for one in frames}
    for one in played.frames:  # from the beginning: a conversation learns from what came before
        try:
            messages = decode(one.frame)
        except UndecodableError:
            continue
        for message in messages if id(one) in wanted else ():
            if message.payload and not message.is_snapshot:
                ids[message.stream].append(message.id)
    return ids


def test_frames_that_change_places_are_late_not_lost(played: Recording) -> None:
    if played.market.adapter.has_tickets:
        pytest.skip("the frames of a connection are counted in order")
    frames, swapped = list(played.frames), Connections(played)
    places = [
        index
        for index, messages in found(played, frames)
        if messages
        and all(proven(played, one.stream) and one.id is not None and not one.is_snapshot for one in messages)
    ]
    pairs = [(one, other) for one, other in pairwise(places) if other == one + 1][5::50]
    if not pairs:
        pytest.skip("no two frames of numbered streams stand side by side")
    for one, other in pairs:
        frames[one], frames[other] = (
            Received(frames[one].at_us, frames[other].frame),
            Received(frames[other].at_us, frames[one].frame),
        )
    swapped.open(1, frames[0].at_us - 1)
    swapped.bring(1, frames)
    gaps = swapped.finish(frames[-1].at_us)
    assert [gap for gap in losses(gaps) if gap.kind == "sequence"] == []
    assert swapped.rows().keys() >= sent_once(played, played.frames).keys()


def test_a_lost_frame_of_a_counted_connection_is_a_row_of_each_stream_that_proves_nothing(played: Recording) -> None:
    adapter = played.market.adapter
    if not adapter.has_tickets:
        pytest.skip("the exchange counts no frames")
    index = next(
        index
        for index, messages in found(played, played.frames)
        if index > FRAMES // 3 and messages and not messages[0].is_snapshot and not proven(played, messages[0].stream)
    )
    lossy = Connections(played)
    lossy.open(1, played.frames[0].at_us - 1)
    lossy.bring(1, [*played.frames[:index], *played.frames[index + 1 :]])
    gaps = [gap for gap in lossy.finish(played.frames[-1].at_us) if gap.kind == "sequence"]
    ticket = adapter.ticket(played.frames[index].frame)
    assert ticket is not None
    assert gaps
    assert {(gap.expected_id, gap.actual_id, gap.line, gap.status) for gap in gaps} == {
        (str(ticket), str(ticket + 1), 0, "unrepairable")
    }
    assert not {gap.stream_type for gap in gaps} & {
        name for name, rule in adapter.id_rules.items() if rule.proves_continuity
    }
