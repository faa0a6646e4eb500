"""Rules that hold for each adapter, tried with its recordings."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.domain.decimals import to_double
from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import INT64_MAX, ROW_TYPES, Envelope, IdRule, LiquidationRow, StreamKey, TradeRow
from collector.exchanges import registry
from collector.exchanges.adapter import Adapter, Control, Conversation, Decode, Subscription
from collector.exchanges.together import decode_together
from collector.storage.journal.format import RecordKind, encode_frames
from tests.conftest import Lines
from tests.dictionary_page import never_null
from tests.exchanges.dictionary_tables import filled
from tests.exchanges.mangling import damaged, is_short, outcome
from tests.exchanges.recorded_markets import MARKETS, Received, RecordedMarket, Recording, recording
from tests.exchanges.rows import rows_of
from tests.processes.writer.processor_world import ProcessorWorld

EXCHANGES: Final = tuple(registry.data_types())
HOSTILE: Final = (
    b"", b" ", b"{", b"}", b"[", b"null", b"true", b"7", b'"x"', b"[]", b"{}", b"\xff\xfe", b'{"topic":7}', b"[" * 9_999,
    b'{"data":' * 9_999, b'{"e":1e999}', b'[1,"hb",1,2,3]', b'{"channel":null,"type":[],"event":{},"topic":{},"feed":0}',
    b'{"a":"' + b"\\u0000" * 50 + b'"}', b"ping", b"pong", '{"channel":"é","topic":"ü"}'.encode(),
)  # fmt: skip


@pytest.fixture(params=MARKETS, ids=str)
def market(request: pytest.FixtureRequest) -> RecordedMarket:
    found: RecordedMarket = request.param
    return found


@pytest.fixture
def played(market: RecordedMarket, recorded: Lines) -> Recording:
    return recording(market, recorded)


def outcomes(decode: Decode, frames: Iterable[Received]) -> list[list[Envelope] | str]:
    """What each frame gives; the reason of one that cannot be decoded."""
    found: list[list[Envelope] | str] = []
    for received in frames:
        try:
            found.append(decode(received.frame))
        except UndecodableError as error:
            found.append(str(error))
    return found


def decoded(played: Recording) -> list[list[Envelope] | str]:
    return outcomes(played.market.adapter.decoder(played.subscription), played.frames)


def messages(found: Iterable[list[Envelope] | str]) -> list[Envelope]:
    return list(chain.from_iterable(one for one in found if isinstance(one, list)))


def test_every_market_has_a_recording_but_those_that_none_was_found_of() -> None:
    assert set(EXCHANGES) - {market.exchange for market in MARKETS} <= {"coinbase"}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_adapter_says_what_it_records(exchange: str) -> None:
    adapter = registry.adapter(exchange)
    assert set(adapter.id_rules) <= set(ROW_TYPES)
    assert {"trade"} <= set(adapter.id_rules)
    assert {"book_delta", "book_snapshot"} & set(adapter.id_rules)
    assert set(adapter.checks) <= set(adapter.id_rules)
    limits = adapter.limits
    assert min(limits.connections, limits.window_secs, limits.streams_per_connection, limits.lifetime_secs) > 0


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_symbols_and_data_types_that_the_exchange_has_not_are_refused(exchange: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.adapter(exchange).plan(Subscription(("no such symbol!",), ("weather",)), "")
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["symbols", "data_types"]


def test_streams_are_divided_as_the_limits_allow_and_always_alike(played: Recording) -> None:
    adapter, subscription = played.market.adapter, played.subscription
    plans = adapter.plan(subscription, "ws://127.0.0.1:1")
    assert plans == adapter.plan(subscription, "ws://127.0.0.1:1")
    assert [plan.keys for plan in plans] == adapter.shares(subscription)
    keys = [key for plan in plans for key in plan.keys]
    assert len(keys) == len(set(keys))
    assert {(key.symbol, key.data_type) for key in keys} == {
        (symbol, data_type) for symbol in subscription.symbols for data_type in subscription.data_types
    }
    for plan in plans:
        assert plan.url.startswith("ws://127.0.0.1:1")
        assert all(request.text and request.answers >= 0 for request in plan.requests)
        assert adapter.connection(plan.keys, "ws://127.0.0.1:1") == plan


def test_a_recording_is_read_whole(played: Recording) -> None:
    found = decoded(played)
    reasons = Counter(one for one in found if isinstance(one, str))
    assert sum(reasons.values()) == played.market.undecoded, reasons
    assert len(messages(found)) > len(found) / 20


def test_columns_are_null_where_the_data_dictionary_says_so(played: Recording) -> None:
    adapter, payloads = played.market.adapter, defaultdict(list)
    for message in messages(outcomes(adapter.decoder(played.subscription), played.frames[:400])):
        payloads[message.stream.data_type].append(message.payload)
    for data_type, some in payloads.items():
        fills = filled(adapter.exchange, data_type)
        rows = [row._asdict() for row in rows_of(adapter, data_type, [one for one in some if one]) if row is not None]
        assert {name for row in rows for name, value in row.items() if value is not None} <= fills
        assert never_null(data_type).isdisjoint(name for row in rows for name, value in row.items() if value is None)


def test_what_frames_give_depends_on_nothing_else(played: Recording) -> None:
    first, again = decoded(played), decoded(played)
    assert first == again
    together = decode_together(played.market.adapter.decoder(played.subscription), [one.frame for one in played.frames])
    by_index: dict[int, Any] = {
        index: str(found) if isinstance(found, UndecodableError) else found for index, found in together.others
    }
    for column in together.columns:
        by_index.update((index, [one]) for index, one in zip(column.frames, column.envelopes(), strict=True))
    assert [alike(by_index[index]) for index in range(len(first))] == list(map(alike, first))


def alike(found: list[Envelope] | str) -> list[Envelope] | str:
    """A message that covers one id may say so or not."""
    if isinstance(found, str):
        return found
    return [one._replace(first_id=None) if one.first_id == one.id else one for one in found]


def test_envelopes_keep_the_contract(played: Recording) -> None:
    rules = played.market.adapter.id_rules
    for found, received in zip(decoded(played), played.frames, strict=True):
        if isinstance(found, str):
            continue
        for one in found:
            assert one.stream.exchange == played.market.exchange
            assert one.stream.symbol in played.subscription.symbols
            assert one.payload in received.frame
            assert (one.id is None) or (0 <= one.id <= INT64_MAX and rules[one.stream.data_type] is not IdRule.NONE)
            assert one.first_id is None or one.id is None or one.first_id <= one.id + 1
            assert one.exchange_us is None or 0 <= one.exchange_us <= INT64_MAX
        ids = [one.id for one in found if one.id is not None and rules[one.stream.data_type] is not IdRule.UNIQUE]
        assert ids == sorted(ids)


def numbers_of(row: Any) -> list[float]:
    """Every double of a row."""
    flat: list[Any] = []
    for value in row:
        flat += value if isinstance(value, tuple) else [value]
    return [value for value in flat if isinstance(value, float)]


def test_every_message_has_a_row_with_exactly_its_numbers(played: Recording) -> None:
    adapter = played.market.adapter
    by_type: dict[str, list[bytes]] = defaultdict(list)
    for one in messages(decoded(played)):
        if one.payload:
            by_type[one.stream.data_type].append(one.payload)
    assert by_type
    for data_type, payloads in by_type.items():
        rows = rows_of(adapter, data_type, payloads)
        assert None not in rows, data_type
        assert not adapter.columns(data_type, payloads).unread
        for row, payload in zip(rows, payloads, strict=True):
            told = sorted(abs(to_double(text) or 0.0) for text in adapter.decimals(data_type, payload))
            assert sorted(map(abs, numbers_of(row))) == told
            assert all(math.isfinite(number) for number in told)
        assert {row.side for row in rows if isinstance(row, TradeRow | LiquidationRow)} <= {"buy", "sell"}


def test_speakers_find_the_streams_of_frames_or_say_nothing(played: Recording) -> None:
    adapter = played.market.adapter
    speaking = adapter.speakers(played.subscription)
    heard: set[StreamKey] = set()
    for received, found in zip(played.frames, decoded(played), strict=True):
        keys = speaking([received.frame])
        named = {one.stream for one in found} if isinstance(found, list) else set()
        if None not in keys:
            assert named <= keys
            heard |= keys  # type: ignore[arg-type]  # no None
    spoke = {one.stream for one in messages(decoded(played))}
    assert len(spoke & heard) >= len(spoke) * 0.9, "silence of streams would not be noticed"


def test_control_frames_are_no_data(played: Recording) -> None:
    adapter = played.market.adapter
    for received, found in zip(played.frames, decoded(played), strict=True):
        if found and isinstance(found, list):
            control = adapter.control(received.frame)
            assert control is None, received.frame[:100]


def connected(played: Recording, plans: int, line: int = 0) -> ProcessorWorld:
    """A writer, told of a connection for each plan."""
    world = ProcessorWorld(
        played.market.exchange, played.subscription.symbols, played.subscription.data_types, repaired=False
    )
    at_us = played.frames[0].at_us - 1_000
    for plan in range(plans):
        info = {"connection": plan + 1, "plan": plan}
        world.happened(RecordKind.CONNECT, at_us, **info)
    return world


def stored(played: Recording, frames: Sequence[Received]) -> ProcessorWorld:
    """What the writer makes of these frames, all from one connection."""
    world = connected(played, len(played.market.adapter.shares(played.subscription)))
    for received in frames:
        world._take("f", encode_frames(received.at_us * 1_000, 0, [received.frame], (), 1))
    world.processor.ledger.close(frames[-1].at_us + 10_000_000)
    world.commit()
    return world


def test_a_recording_leaves_its_messages_and_an_empty_ledger(played: Recording) -> None:
    world = stored(played, played.frames)
    expected = [one for one in messages(decoded(played)) if one.payload]
    counts = world.processor.counts
    assert len(world.messages) == len(expected) - counts.duplicates + counts.undecodable
    kinds = {gap.kind for _, _, gap in world.gaps} - {"silence"}
    assert kinds == ({"undecodable"} if played.market.undecoded else set())


def provable(played: Recording) -> dict[int, StreamKey]:
    """The frames of dense and chained streams, each neither the first nor the last of its stream, and no snapshot."""
    adapter = played.market.adapter
    found = decoded(played)
    places: dict[StreamKey, list[int]] = defaultdict(list)
    for index, one in enumerate(found):
        if isinstance(one, list):
            for envelope in one:
                if envelope.id is not None and adapter.id_rules[envelope.stream.data_type].proves_continuity:
                    places[envelope.stream].append(index)
    inner = {index: key for key, indexes in places.items() for index in list(dict.fromkeys(indexes))[1:-1]}
    return {
        index: key
        for index, key in inner.items()
        if isinstance(frame := found[index], list)
        and len({one.stream for one in frame}) == 1
        and not frame[0].is_snapshot
    }


def test_a_frame_that_is_lost_of_a_numbered_stream_is_exactly_in_the_ledger(played: Recording) -> None:
    places = provable(played)
    if not places:
        pytest.skip("no stream of this recording is numbered")
    for index in list(places)[:: max(1, len(places) // 5)][:5]:
        key = places[index]
        world = stored(played, [*played.frames[:index], *played.frames[index + 1 :]])
        rows = [(exchange, symbol, gap) for exchange, symbol, gap in world.gaps if gap.kind == "sequence"]
        of_stream = [gap for _, symbol, gap in rows if (symbol, gap.stream_type) == (key.symbol, key.data_type)]
        assert len(of_stream) == 1, f"frame {index} of {key}"
        rule = played.market.adapter.id_rules[key.data_type]
        lost = messages([decoded(played)[index]])
        if rule is IdRule.DENSE:
            ids = [one.id if one.first_id is None else one.first_id for one in lost]
            assert of_stream[0].expected_id == str(min(ids))  # type: ignore[type-var]  # no None
        if not played.market.adapter.has_tickets:
            assert len(rows) == 1


def test_frames_that_come_twice_on_one_connection_change_no_numbered_row(played: Recording) -> None:
    rules = played.market.adapter.id_rules
    twice = [Received(one.at_us, one.frame) for one in played.frames for _ in range(2)]
    if played.market.adapter.has_tickets:
        pytest.skip("a frame that comes twice breaks the count of frames")
    once, doubled = stored(played, played.frames), stored(played, twice)
    without_ids = {one.stream for one in messages(decoded(played)) if one.id is None}
    numbered = {
        stream.stream_id
        for stream in once.streams
        if rules.get(stream.key.data_type, IdRule.NONE) is not IdRule.NONE and stream.key not in without_ids
    }
    snapshots = {(one.stream, one.id) for one in messages(decoded(played)) if one.is_snapshot}
    keys = {stream.stream_id: stream.key for stream in once.streams}

    def rows(world: ProcessorWorld) -> Counter[tuple[int, int]]:
        return Counter(row for row in world.messages if row[0] in numbered and (keys[row[0]], row[1]) not in snapshots)

    assert rows(doubled) == rows(once)
    assert [gap.kind for _, _, gap in doubled.gaps if gap.kind == "sequence"] == []


def other_channel(frame: bytes) -> bytes:
    """A frame of Bitfinex with another channel id, number and time."""
    frame = re.sub(rb'(?<="chanId":)[0-9]+', lambda id_: b"9%b" % id_[0], frame)
    frame = re.sub(rb"\A\[([0-9]+),", rb"[9\1,", frame)
    return re.sub(rb",([0-9]+)\]\Z", lambda number: b",%d,1790000000123]" % (int(number[1]) + 700), frame)


def other_number(frame: bytes) -> bytes:
    """A frame of Coinbase Advanced with another number and time."""
    frame = re.sub(rb'(?<="sequence_num":)[0-9]+', lambda number: b"%d" % (int(number[0]) + 700), frame, count=1)
    return re.sub(rb'(?<="timestamp":")[^"]+', b"2026-08-09T21:05:59.5Z", frame, count=1)


ELSEWHERE: Final = {"bitfinex": other_channel, "coinbase_advanced": other_number}
"""The same frame as another connection would have brought it, where that differs."""


def rows_without_ids(played: Recording, world: ProcessorWorld) -> Counter[bytes]:
    """What the rows of streams without ids say."""
    adapter = played.market.adapter
    without = {
        stream.stream_id for stream in world.streams if adapter.id_rules.get(stream.key.data_type) is IdRule.NONE
    }
    found = zip(world.messages, world.payloads, strict=True)
    return Counter(adapter.content(payload) for (stream_id, _), payload in found if stream_id in without)


def test_what_two_connections_bring_is_stored_once_also_without_ids(played: Recording) -> None:
    adapter, (symbols, data_types) = played.market.adapter, played.subscription
    elsewhere, frames = ELSEWHERE.get(adapter.exchange, bytes), played.frames[:1_500]
    world = ProcessorWorld(adapter.exchange, symbols, data_types, repaired=False)
    for connection in (1, 2):
        world.connect(connection, frames[0].at_us - 1_000, line=connection - 1)
    for received in frames:
        world.receive(received.at_us, [received.frame], line=0, connection=1)
        world.receive(received.at_us, [elsewhere(received.frame)], line=1, connection=2)
    world.commit()
    snapshots = Counter(
        adapter.content(one.payload)
        for one in messages(outcomes(adapter.decoder(played.subscription), frames))
        if one.is_snapshot and adapter.id_rules[one.stream.data_type] is IdRule.NONE
    )
    assert rows_without_ids(played, world) == rows_without_ids(played, stored(played, frames)) + snapshots


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("frame", HOSTILE)
def test_a_hostile_frame_is_nothing_or_undecodable(exchange: str, frame: bytes) -> None:
    adapter = registry.adapter(exchange)
    assert_harmless(adapter, adapter.decoder(Subscription((), tuple(adapter.id_rules))), frame)


def assert_harmless(adapter: Adapter, decode: Decode, frame: bytes) -> None:
    """A frame gives messages that keep the contract, nothing, or a short reason."""
    control = adapter.control(frame)
    assert control is None or isinstance(control, Control)
    ticket = adapter.ticket(frame)
    assert ticket is None or isinstance(ticket, int)
    found = outcome(decode, frame)
    if isinstance(found, str):
        assert is_short(found)
        return
    assert isinstance(found, list)
    for one in found:
        if one.payload:
            adapter.columns(one.stream.data_type, [one.payload])
            list(adapter.decimals(one.stream.data_type, one.payload))
        assert one.id is None or 0 <= one.id <= INT64_MAX
        assert one.exchange_us is None or -(2**63) <= one.exchange_us <= INT64_MAX


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_frames_never_escape(data: st.DataObject, played: Recording) -> None:
    adapter = played.market.adapter
    kinds = list(
        {
            re.sub(rb"[0-9.]+", b"", one.frame[:40]): one.frame for one in played.frames if len(one.frame) < 3_000
        }.values()
    )
    decode = adapter.decoder(played.subscription)
    if isinstance(decode, Conversation):
        for received in played.frames[:200]:
            outcomes(decode, [received])
    frame = data.draw(damaged(kinds))
    assert_harmless(adapter, decode, frame)
    adapter.speakers(played.subscription)([frame])
