"""Slices, places and names survive their way through NATS."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.bus.bodies import Compressor, expanded
from collector.bus.names import of_place_key, of_stream, of_subject, place_key, stream, subject
from collector.bus.places import EdgePlace, FilePlace, decode_place, encode_place
from collector.bus.slices import EndedFile, Joiner, SliceHead, decode_slice, encode_parts, encode_slice
from collector.domain.errors import DamagedError
from collector.storage.journal.relayed import decode_relayed

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,16}", fullmatch=True)


def test_a_slice_arrives_as_it_was_sent() -> None:
    head = SliceHead("e.1", "binance", "ab", "f0", 3, 10, 90, newest_ns=5, before=(EndedFile("f1", 2, 70),))
    assert decode_slice(encode_slice(head, b"bytes")) == (head, b"bytes")


@pytest.mark.parametrize("message", [b"", b"abc", b"\xff\xff\xff\xffx", b"\x02\0\0\0{}"])
def test_anything_else_is_refused(message: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_slice(message)


def test_a_place_arrives_as_it_was_told() -> None:
    place = EdgePlace("ab", (FilePlace("f0", 3, 90, ended=True),), 2, hole=True)
    assert decode_place(encode_place(place)) == place
    with pytest.raises(DamagedError):
        decode_place(b"[]")


@given(NAMES, NAMES)
@example("edge-d", "2EUR")
def test_a_subject_says_edge_and_feed(edge: str, feed: str) -> None:
    assert of_subject(subject(edge, feed)) == (edge, feed)
    assert "." not in stream(edge, feed)
    assert of_stream(stream(edge, feed)) == of_place_key(place_key(edge, feed)) == (edge, feed)


@given(NAMES, NAMES, NAMES, NAMES)
@example("a", "2EUR.b", "a.UR", "2Eb")
def test_no_two_feeds_share_a_stream(edge: str, feed: str, other: str, another: str) -> None:
    assert (stream(edge, feed) == stream(other, another)) == ((edge, feed) == (other, another))


HEAD = SliceHead("e", "binance", "ab", "f0", 3, 0, 5_000)


@given(st.binary(max_size=5_000), st.integers(400, 6_000))
def test_a_slice_too_long_for_the_servers_comes_in_parts_that_join_to_it(body: bytes, most_bytes: int) -> None:
    messages = encode_parts(HEAD, body, most_bytes)
    assert max(map(len, messages)) <= most_bytes
    joiner = Joiner()
    joined = [joiner.take(*decode_slice(message)) for message in messages]
    assert joined == [None] * (len(messages) - 1) + [(HEAD, body)]


def test_a_slice_of_which_a_part_is_missing_is_dropped_and_the_next_one_is_whole() -> None:
    first, second, third = map(decode_slice, encode_parts(HEAD, bytes(1_000), 600))
    joiner = Joiner()
    assert [joiner.take(*part) for part in (first, third, second, third)] == [None] * 4
    assert [joiner.take(*part) for part in (second, first, first, second, third)] == [None] * 4 + [(HEAD, bytes(1_000))]
    assert [joiner.take(*part) for part in (first, second, (HEAD, b"x"), third)] == [None, None, (HEAD, b"x"), None]


def test_the_bytes_of_a_slice_are_compressed_and_found_again() -> None:
    body = bytes(range(250)) * 20
    packed = Compressor().compressed(body)
    assert len(packed) < len(body)
    assert expanded(HEAD, packed) == body
    assert expanded(SliceHead("e", "binance", "ab", "f0", 3, 7, 7, ended=True), b"") == b""


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b"", lambda b: bytes(9), lambda b: b[:40] + b"?" + b[41:]]
)
def test_damaged_bytes_of_a_slice_are_refused(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DamagedError):
        expanded(HEAD, spoil(Compressor().compressed(bytes(range(250)) * 20)))


def test_bytes_of_another_length_than_the_head_says_are_refused() -> None:
    with pytest.raises(DamagedError):
        expanded(HEAD, Compressor().compressed(bytes(4_999)))


def test_a_key_that_is_of_no_place_is_passed_over() -> None:
    assert [of_place_key(key) for key in ("a", "a.b.c", "")] == [None] * 3


DECODERS = [decode_slice, decode_place, decode_relayed]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=200))
@example(data=b"\x0c\0\0\0" + b'{"edge":"\xff"}')
@example(data=b'{"epoch":"\xff"}')
def test_whatever_comes_is_decoded_or_refused_as_damaged(decode: Callable[[bytes], object], data: bytes) -> None:
    with suppress(DamagedError):
        decode(data)


@pytest.mark.parametrize("told", [{"number": 10**30}, {"number": -1}, {"start": -1}, {"end": 1 << 50}, {"end": 5}])
def test_a_slice_with_impossible_numbers_is_refused(told: dict[str, int]) -> None:
    numbers = {"number": 1, "start": 10, "end": 20} | told
    text = json.dumps({"edge": "e", "feed": "f", "epoch": "x", "file_id": "a", **numbers}).encode()
    with pytest.raises(DamagedError):
        decode_slice(len(text).to_bytes(4, "little") + text)


def test_a_frame_that_names_more_bytes_than_memory_holds_is_refused() -> None:
    body = bytes.fromhex("28b52ffde0") + (1 << 44).to_bytes(8, "little") + b"anything"
    with pytest.raises(DamagedError):
        expanded(SliceHead("e", "f", "x", "a", 1, 0, 1 << 44), body)


def test_a_relayed_record_with_impossible_numbers_is_refused() -> None:
    told = {"edge": "e", "slot": 0, "epoch": "x", "file_id": "a", "number": 10**30, "start": 0, "end": 1, "head_at": -1}
    text = json.dumps(told).encode()
    with pytest.raises(DamagedError):
        decode_relayed(len(text).to_bytes(4, "little") + text)
