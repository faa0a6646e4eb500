"""Slices, places and names survive their way through NATS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.bus.names import of_subject, stream, subject
from collector.bus.places import EdgePlace, FilePlace, decode_place, encode_place
from collector.bus.slices import EndedFile, SliceHead, decode_slice, encode_slice
from collector.domain.errors import DamagedError

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
def test_a_subject_says_edge_and_feed(edge: str, feed: str) -> None:
    assert of_subject(subject(edge, feed)) == (edge, feed)
    assert "." not in stream(edge, feed)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_feeds_share_a_stream(edge: str, feed: str, other: str, another: str) -> None:
    assert (stream(edge, feed) == stream(other, another)) == ((edge, feed) == (other, another))
