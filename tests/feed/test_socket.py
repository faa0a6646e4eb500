import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.feed.socket import BufferEmptyError, ConnectionOverError, ReadBuffer


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.05)
        yield ours, theirs


def test_one_read_of_the_kernel_serves_many_small_takes(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"abcdef")
    buffer = ReadBuffer(ours, now_ns=lambda: 7)

    assert buffer.fill()
    theirs.sendall(b"later")

    assert [buffer.take(2), buffer.take(1), buffer.take(9)] == [b"ab", b"c", b"def"]
    assert buffer.unread == 0
    assert buffer.received_ns == 7


def test_an_empty_buffer_is_an_error_not_a_wait(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    buffer = ReadBuffer(ours, now_ns=lambda: 7)
    theirs.sendall(b"not read yet")

    with pytest.raises(BufferEmptyError):
        buffer.take(1)


def test_taking_0_bytes_from_an_empty_buffer_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    assert ReadBuffer(pair[0], now_ns=lambda: 7).take(0) == b""


def test_fill_returns_false_after_the_timeout(pair: tuple[socket.socket, socket.socket]) -> None:
    buffer = ReadBuffer(pair[0], now_ns=lambda: 7)

    assert not buffer.fill()
    assert buffer.received_ns == 0


def test_the_end_of_the_stream_ends_the_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()

    with pytest.raises(ConnectionOverError, match="hung up") as caught:
        ReadBuffer(ours, now_ns=lambda: 7).fill()
    assert caught.value.reason == "lost"


@given(data=st.binary(min_size=1, max_size=2_000), sizes=st.lists(st.integers(1, 50), min_size=1))
def test_takes_of_any_size_return_every_byte_once_in_order(data: bytes, sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        buffer = ReadBuffer(ours, now_ns=lambda: 7)
        buffer.fill()
        taken = b""
        while buffer.unread:
            taken += buffer.take(sizes[len(taken) % len(sizes)])

    assert taken == data
