"""Compressed frames are read as their text, and frames that nobody asked for are counted and not stored."""

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from collector.domain.errors import UndecodableError
from collector.domain.records import UNDECODED, Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Control, ControlKind, Decode, Subscription
from tests.conftest import Lines
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, frame, update

TYPES = {"trade.detail": "trade", "depth.step0": "book_snapshot", "depth.step1": "book_snapshot"}


class Huobi(Toy):
    """Reads the recorded channels of Huobi, whose frames are all compressed; those of other channels nobody asked for."""

    def inflate(self, frame: bytes) -> bytes:
        try:
            return zlib.decompress(frame, 31)
        except zlib.error as error:
            raise UndecodableError("not compressed") from error

    def control(self, frame: bytes) -> Control | None:
        return None if "ch" in json.loads(frame) else Control(ControlKind.HEARTBEAT, "")

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        return huobi_message


def huobi_message(frame: bytes) -> list[Envelope]:
    try:
        read = json.loads(frame)
    except ValueError as error:
        raise UndecodableError("malformed JSON") from error
    if "ch" not in read:
        return []
    _, symbol, kind = read["ch"].split(".", 2)
    key = StreamKey(NAME, symbol, TYPES.get(kind, ""))
    return [Envelope(key, None, None, read["ts"] * 1_000, frame)] if key.data_type else []


def world_of(adapter: Toy, symbols: tuple[str, ...] = ("A",)) -> ProcessorWorld:
    return ProcessorWorld(NAME, symbols, tuple(adapter.id_rules), repaired=False, adapter_of=lambda _: adapter)


@pytest.fixture(scope="module")
def huobi(recorded: Lines) -> list[tuple[int, bytes]]:
    lines: list[dict[str, Any]] = recorded("huobi/cryptofeed_v3_HUOBI")
    return [(line["recv_ts_us"], base64.b64decode(line["raw"])) for line in lines if line["dir"] == "in"]


def test_payloads_of_compressed_frames_are_their_text(huobi: list[tuple[int, bytes]]) -> None:
    texts = [gzip.decompress(compressed) for _, compressed in huobi]
    wanted = [text for text in texts if b'"tick"' in text]
    symbols = tuple({json.loads(text)["ch"].split(".")[1] for text in wanted})
    world = world_of(Huobi(dict.fromkeys(TYPES.values(), IdRule.NONE)), symbols)
    for at_us, compressed in huobi:
        world.receive(at_us, [compressed], binary=[0])
    world.commit()
    counts = world.processor.counts
    assert wanted
    assert sorted(world.payloads) == sorted(text for text in wanted if huobi_message(text))
    assert counts.control + counts.unasked + counts.messages == len(texts)
    assert counts.undecodable == 0


def test_a_binary_frame_without_text_is_kept_as_it_came(huobi: list[tuple[int, bytes]]) -> None:
    not_text = gzip.compress(b"{")
    world = world_of(Huobi({"trade": IdRule.NONE}))
    world.receive(at(1), [b"\x1f\x8bnothing", not_text, gzip.compress(b'{"ping":1}')], binary=[0, 1, 2])
    reasons = [reason for _, reason in world.processor.batch.reasons]
    world.commit()
    assert world.payloads == [b"\x1f\x8bnothing", not_text]
    assert reasons == ["not compressed", "malformed JSON"]
    assert world.streams.get(StreamKey(NAME, "_", UNDECODED)) is not None


def test_a_fault_of_the_adapter_costs_its_frame_and_no_more() -> None:
    class Faulty(Toy):
        def inflate(self, frame: bytes) -> bytes:
            raise ZeroDivisionError

        def control(self, frame: bytes) -> Control | None:
            raise ZeroDivisionError

    world = world_of(Faulty())
    world.receive(at(1), [b"\x00", frame(control="pong")], binary=[0])
    world.receive(at(1), [update(1)])
    counts = world.processor.counts
    assert (counts.undecodable, counts.control, counts.unasked, counts.messages) == (1, 0, 1, 1)


def test_a_frame_that_nobody_asked_for_is_no_control_frame_and_not_stored() -> None:
    world = world_of(Toy())
    world.receive(at(1), [frame(control="pong"), frame(other=1), frame(other=2), update(1)])
    counts = world.processor.counts
    assert (counts.control, counts.unasked, counts.messages, counts.undecodable) == (1, 2, 1, 0)
    assert counts.beside("run").unasked == 2
    world.commit()
    assert len(world.messages) == 1


def test_a_compressed_frame_that_cannot_be_decoded_has_its_number_all_the_same() -> None:
    class Numbered(Toy):
        def inflate(self, frame: bytes) -> bytes:
            return zlib.decompress(frame, 31)

        def ticket(self, frame: bytes) -> int | None:
            return int(frame[1:]) if frame.startswith(b"#") else None

    world = world_of(Numbered(has_tickets=True))
    world.connect(1, at(0))
    world.receive(at(1), [gzip.compress(b"#%d" % ticket) for ticket in (1, 2, 4)], 0, 1, binary=[0, 1, 2])
    assert world.processor.counts.undecodable == 3
    assert world.processor.counts.frame_holes == 1
