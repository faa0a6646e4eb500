import contextlib
import itertools
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from collector.channel.bell import RingingEvent
from collector.feed import handshake as handshake_module
from collector.feed import socket as socket_module
from collector.feed.connection import Connection, ReadBatch, open_connection
from collector.feed.handshake import HandshakeError
from collector.feed.outbox import Pace
from collector.feed.socket import ConnectionOverError, RecorderSocket
from collector.processes.context import SystemClock
from tests.feed.servers import TIMEOUT_SECS, Peer, Server, close_frame, meanwhile, wire

FAST = Pace(1_000)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def connect(
    server: Server, *first: bytes, messages: tuple[str, ...] = (), pace: Pace = FAST
) -> tuple[Connection, Peer]:
    opening = meanwhile(lambda: open_connection(server.url, messages, pace, SystemClock()))
    peer = server.accept(*first)
    return opening.result(TIMEOUT_SECS), peer


def read_until(connection: Connection, enough: Callable[[list[bytes]], bool]) -> list[bytes]:
    """Frames, in order, until there are enough of them or the connection is over."""
    frames: list[bytes] = []
    deadline = time.monotonic() + TIMEOUT_SECS
    while not enough(frames):
        assert time.monotonic() < deadline, f"only {len(frames)} frames came"
        if batch := connection.read():
            frames += batch.frames
    return frames


def read_to_the_end(connection: Connection) -> tuple[list[bytes], ConnectionOverError]:
    frames: list[bytes] = []
    deadline = time.monotonic() + TIMEOUT_SECS
    while time.monotonic() < deadline:
        try:
            batch = connection.read()
        except ConnectionOverError as over:
            return frames, over
        if batch:
            frames += batch.frames
    raise AssertionError("the connection does not end")


def next_batch(connection: Connection) -> ReadBatch:
    deadline = time.monotonic() + TIMEOUT_SECS
    while time.monotonic() < deadline:
        if batch := connection.read():
            return batch
    raise AssertionError("nothing came")


def test_frames_sent_with_the_handshake_response_are_not_lost(server: Server) -> None:
    connection, _ = connect(server, wire(b"first"), wire(b"second"))

    assert read_until(connection, lambda frames: len(frames) == 2) == [b"first", b"second"]


def test_messages_of_every_kind_are_returned_unchanged(server: Server) -> None:
    big = bytes(itertools.islice(itertools.cycle(range(251)), 5_000_000))
    connection, peer = connect(server)
    sending = meanwhile(
        lambda: peer.send(
            wire(b""),
            wire(b'{"a":1}'),
            wire(b"\x00\xff\xfe", Opcode.BINARY),
            wire(b"\xff\xfe not utf-8 \x80"),
            wire(b"one ", fin=False),
            wire(b"ping between", Opcode.PING),
            wire(b"two ", Opcode.CONT, fin=False),
            wire(b"", Opcode.CONT, fin=False),
            wire(b"three", Opcode.CONT),
            wire(b"unasked", Opcode.PONG),
            wire(big),
            wire(b"x" * 125),
            wire(b"y" * 126),
            wire(b"z" * 65_536, Opcode.BINARY),
            wire(b"bin", Opcode.BINARY, fin=False),
            wire(b"ary", Opcode.CONT),
        )
    )

    frames: list[bytes] = []
    binary: list[int] = []
    while len(frames) < 10:
        batch = next_batch(connection)
        binary += [len(frames) + index for index in batch.binary]
        frames += batch.frames
    sending.result(TIMEOUT_SECS)

    assert frames == [
        b"",
        b'{"a":1}',
        b"\x00\xff\xfe",
        b"\xff\xfe not utf-8 \x80",
        b"one two three",
        big,
        b"x" * 125,
        b"y" * 126,
        b"z" * 65_536,
        b"binary",
    ]
    assert binary == [2, 8, 9]
    assert peer.receive() == (Opcode.PONG, b"ping between")


def test_a_message_that_arrives_in_two_parts_is_whole_wherever_it_is_cut(server: Server) -> None:
    sent = [b"a" * 3, b"", b"b" * 126, b"cd"]
    stream = b"".join([wire(sent[0]), wire(sent[1]), wire(sent[2]), wire(b"c", fin=False), wire(b"d", Opcode.CONT)])
    connection, peer = connect(server)
    frames: list[bytes] = []
    for at in range(len(stream)):
        peer.send(stream[at : at + 1])
        frames += next_batch(connection).frames

    assert frames == sent


@given(messages=st.lists(st.binary(max_size=400), max_size=20), cuts=st.lists(st.integers(1, 300), min_size=1))
def test_any_split_of_the_bytes_gives_the_same_messages(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(wire, messages))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ws = RecorderSocket(skip_utf8_validation=True)
        ws.sock = ours
        connection = Connection(ws, (), Pace(1), SystemClock())
        sizes = itertools.cycle(cuts)
        frames: list[bytes] = []
        while stream:
            size = next(sizes)
            theirs.sendall(stream[:size])
            stream = stream[size:]
            frames += next_batch(connection).frames

    assert frames == messages


def cpu_secs_to_read(stream: bytes, piece_bytes: int) -> tuple[float, list[bytes]]:
    """What this thread spends on reading it in pieces of that size, and the messages in it."""
    ours, theirs = socket.socketpair()
    frames: list[bytes] = []
    with ours, theirs:
        ws = RecorderSocket(skip_utf8_validation=True)
        ws.sock = ours
        connection = Connection(ws, (), Pace(1), SystemClock())
        began = time.thread_time()
        for at in range(0, len(stream), piece_bytes):
            theirs.sendall(stream[at : at + piece_bytes])
            frames += next_batch(connection).frames
        return time.thread_time() - began, frames


# Both take a fraction of a second where the cost grows with the bytes, and half a minute where it grows with their square.


def test_a_frame_that_arrives_byte_by_byte_is_read_in_linear_time() -> None:
    spent_secs, frames = cpu_secs_to_read(wire(b"x" * 40_000), 1)

    assert [len(frame) for frame in frames] == [40_000]
    assert spent_secs < 5


def test_a_message_of_many_frames_is_joined_in_linear_time() -> None:
    part = wire(b"x" * 16_000, Opcode.CONT, fin=False)
    stream = wire(b"", fin=False) + part * 4_000 + wire(b"", Opcode.CONT)
    spent_secs, frames = cpu_secs_to_read(stream, 1 << 16)

    assert [len(frame) for frame in frames] == [64_000_000]
    assert spent_secs < 5


def test_half_a_frame_does_not_hold_back_the_whole_ones_before_it(server: Server) -> None:
    connection, peer = connect(server)
    half = wire(b"x" * 1_000)
    peer.send(wire(b"whole 1"), wire(b"whole 2"), half[:500])

    assert next_batch(connection).frames == [b"whole 1", b"whole 2"]
    assert connection.read() is None
    peer.send(half[500:])
    assert next_batch(connection).frames == [b"x" * 1_000]


def test_a_batch_carries_the_time_right_after_its_read(server: Server) -> None:
    connection, peer = connect(server)
    before = time.time_ns()
    peer.send(wire(b"x"))
    batch = next_batch(connection)

    assert before <= batch.received_ns <= time.time_ns()


def test_messages_before_a_close_frame_are_returned_first(server: Server) -> None:
    connection, peer = connect(server)
    peer.send(wire(b"last words"), close_frame(1001, "bye, says the exchange"))

    frames, over = read_to_the_end(connection)

    assert frames == [b"last words"]
    assert over.reason == "closed"
    assert str(over) == "close frame 1001 bye, says the exchange"
    assert peer.receive() == (Opcode.CLOSE, b"\x03\xe8")


def test_a_close_frame_may_have_no_code(server: Server) -> None:
    connection, peer = connect(server)
    peer.send(wire(b"", Opcode.CLOSE))

    assert read_to_the_end(connection)[1].reason == "closed"


def test_a_hang_up_without_a_close_frame_is_a_lost_connection(server: Server) -> None:
    connection, peer = connect(server)
    peer.send(wire(b"one"))
    assert next_batch(connection).frames == [b"one"]
    peer.hang_up()

    frames, over = read_to_the_end(connection)
    assert (frames, over.reason) == ([], "lost")


def test_a_reset_is_a_lost_connection(server: Server) -> None:
    connection, peer = connect(server)
    peer.reset()

    frames, over = read_to_the_end(connection)
    assert (frames, over.reason) == ([], "lost")


def test_a_failed_pong_loses_nothing_that_was_received(server: Server) -> None:
    connection, peer = connect(server)
    peer.send(*(wire(b"ping", Opcode.PING) + wire(b"data %d" % number) for number in range(50)))
    peer.hang_up()

    frames, over = read_to_the_end(connection)

    assert frames == [b"data %d" % number for number in range(50)]
    assert over.reason == "lost"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xf1\x01x",  # reserved bits
        b"\x83\x01x",  # an opcode nobody defined
        wire(b"lonely", Opcode.CONT),
        wire(b"start", fin=False) + wire(b"another start"),
        wire(b"\x00\x01", Opcode.CLOSE),
        b"\x89\x7e\x00\x7e" + b"x" * 126,  # a ping of 126 bytes
    ],
)
def test_a_protocol_error_ends_the_connection_after_the_whole_frames(server: Server, nonsense: bytes) -> None:
    connection, peer = connect(server)
    peer.send(wire(b"good"), nonsense)

    frames, over = read_to_the_end(connection)
    connection.close()

    assert frames == [b"good"]
    assert over.reason == "protocol"
    assert peer.receive() == (Opcode.CLOSE, b"\x03\xea")


@pytest.mark.parametrize("as_fragments", [False, True])
def test_a_message_above_the_limit_ends_the_connection_before_it_is_read(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, as_fragments: bool
) -> None:
    monkeypatch.setattr(socket_module, "MAX_FRAME_BYTES", 1_000)
    connection, peer = connect(server)
    peer.send(wire(b"m" * 1_000), wire(b"at the limit: ", fin=False), wire(b"!" * 986, Opcode.CONT))
    if as_fragments:
        peer.send(wire(b"x" * 600, fin=False), wire(b"ping", Opcode.PING), wire(b"y" * 401, Opcode.CONT)[:4])
    else:
        peer.send(wire(b"x" * 1_001)[:4])

    frames, over = read_to_the_end(connection)
    connection.close()

    assert list(map(len, frames)) == [1_000, 1_000]
    assert over.reason == "too_big"
    assert "1001 bytes" in str(over)
    answers = [peer.receive() for _ in range(2 if as_fragments else 1)]
    assert answers[-1] == (Opcode.CLOSE, b"\x03\xf1")


def test_the_limit_of_a_message_is_64_mib() -> None:
    assert socket_module.MAX_FRAME_BYTES == 64 << 20


def test_after_leave_all_that_comes_before_the_close_is_returned(server: Server) -> None:
    connection, peer = connect(server)
    connection.leave()
    assert peer.receive() == (Opcode.CLOSE, b"\x03\xe8")
    peer.send(wire(b"on its way 1"), wire(b"on its way 2"), close_frame())

    frames, over = read_to_the_end(connection)
    connection.close()

    assert frames == [b"on its way 1", b"on its way 2"]
    assert over.reason == "closed"
    with pytest.raises(EOFError):
        peer.receive()


def test_a_read_that_waits_ends_when_the_stop_comes(server: Server) -> None:
    connection, _ = connect(server)
    stop = RingingEvent()
    connection.wait_secs = 10 * TIMEOUT_SECS
    connection.stop_waiting_on(stop.fileno())
    reading = meanwhile(connection.read)
    stop.set()

    assert reading.result(TIMEOUT_SECS) is None


def test_after_leave_a_read_waits_for_what_still_comes(server: Server) -> None:
    connection, peer = connect(server)
    stop = RingingEvent()
    connection.wait_secs = 10 * TIMEOUT_SECS
    connection.stop_waiting_on(stop.fileno())
    stop.set()
    connection.leave()
    reading = meanwhile(connection.read)
    peer.send(wire(b"late"))

    batch = reading.result(TIMEOUT_SECS)
    assert batch is not None
    assert batch.frames == [b"late"]


def test_subscribe_messages_go_out_in_order_and_slower_than_allowed(server: Server) -> None:
    messages = tuple(f'{{"id":{number}}}' for number in range(5))
    started = time.monotonic()
    connection, peer = connect(server, messages=messages, pace=Pace(20))
    received: list[bytes] = []

    def collect() -> None:
        while len(received) < 5:
            received.append(peer.receive().data)

    collecting = meanwhile(collect)
    while not collecting.done():
        connection.read()
    collecting.result()

    assert received == [message.encode() for message in messages]
    assert time.monotonic() - started >= 4 / 20


def keep_reading(connection: Connection) -> "Future[int]":
    """Read in a thread of its own until the connection is over; returns how many reads that took."""

    def read() -> int:
        for reads in itertools.count():
            try:
                connection.read()
            except ConnectionOverError:
                return reads
        raise AssertionError

    return meanwhile(read)


def test_an_idle_connection_sends_its_keepalive_in_time_and_sleeps_between(server: Server) -> None:
    connection, peer = connect(server, pace=Pace(1_000, keepalive="ping", keepalive_secs=0.1))
    connection.wait_secs = 60.0
    started = time.monotonic()
    reading = keep_reading(connection)
    received = [peer.receive().data for _ in range(10)]
    took_secs = time.monotonic() - started
    peer.send(close_frame())

    assert received == [b"ping"] * 10
    assert took_secs >= 1.0 - 0.01
    assert reading.result(TIMEOUT_SECS) <= 30


def test_a_busy_connection_sends_its_keepalive_too(server: Server) -> None:
    connection, peer = connect(server, pace=Pace(1_000, keepalive="ping", keepalive_secs=0.05))
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            peer.send(wire(b"data") * 100)

    flooding = meanwhile(flood)
    reading = keep_reading(connection)
    received = [peer.receive().data for _ in range(5)]
    stop.set()
    flooding.result(TIMEOUT_SECS)
    peer.send(close_frame())
    reading.result(TIMEOUT_SECS)

    assert received == [b"ping"] * 5


def test_what_is_added_later_is_sent_after_the_first_requests(server: Server) -> None:
    connection, peer = connect(server, messages=("a", "b"))
    connection.request(["c", "d"])
    assert connection.unsent == 4
    reading = keep_reading(connection)
    received = [peer.receive().data for _ in range(4)]
    peer.send(close_frame())
    reading.result(TIMEOUT_SECS)

    assert received == [b"a", b"b", b"c", b"d"]


def test_nothing_is_sent_after_the_close_frame(server: Server) -> None:
    connection, peer = connect(server, messages=("a", "b"), pace=Pace(1_000, keepalive="ping", keepalive_secs=0.01))
    connection.reply("pong")
    connection.leave()
    for _ in range(3):
        connection.read()

    assert peer.receive().opcode == Opcode.CLOSE
    peer.hang_up()
    read_to_the_end(connection)


def test_without_subscribe_messages_only_a_close_frame_is_sent(server: Server) -> None:
    connection, peer = connect(server)
    peer.send(wire(b"data"))
    next_batch(connection)
    connection.close()

    assert peer.receive().opcode == Opcode.CLOSE


def test_the_handshake_names_the_client_and_offers_no_compression(server: Server) -> None:
    _, peer = connect(server)

    assert "User-Agent: market-data-collector" in peer.request
    assert "Sec-WebSocket-Extensions" not in peer.request


def test_an_http_error_is_a_failed_handshake_with_status_and_text(server: Server) -> None:
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    server.refuse("429 Too Many Requests", ["Retry-After: 17"], b'{"code":-1003}')

    with pytest.raises(HandshakeError, match=r'HTTP 429 Too Many Requests \{"code":-1003\}') as caught:
        opening.result(TIMEOUT_SECS)
    assert (caught.value.status, caught.value.retry_after) == (429, "17")


def test_an_http_error_without_a_body_is_a_failed_handshake(server: Server) -> None:
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    server.refuse("503 Service Unavailable")

    with pytest.raises(HandshakeError) as caught:
        opening.result(TIMEOUT_SECS)
    assert (caught.value.status, caught.value.retry_after) == (503, None)


def test_a_hang_up_instead_of_an_answer_is_a_failed_handshake(server: Server) -> None:
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    server.accept_silently()[0].close()

    with pytest.raises(HandshakeError) as caught:
        opening.result(TIMEOUT_SECS)
    assert caught.value.status is None


def test_an_unanswered_handshake_times_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake_module, "STEP_SECS", 0.1)
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    server.accept_silently()

    with pytest.raises(HandshakeError, match="timed out"):
        opening.result(TIMEOUT_SECS)


def test_an_answer_that_never_ends_times_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake_module, "ANSWER_SECS", 0.5)
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    sock, _ = server.accept_silently()
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: ")
    with contextlib.suppress(OSError):
        while not opening.done():
            sock.sendall(b"z")
            threading.Event().wait(0.02)

    with pytest.raises(HandshakeError, match=r"took more than 0\.5 s"):
        opening.result(10)


@pytest.mark.parametrize(
    "sent",
    [b"HTTP/1.1 101 Switching Protocols\r\nX-Long: " + b"z" * 9_000, b"HTTP/1.1 403 Forbidden\r\n" + b"X: y\r\n" * 2_000,
     b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9999999999\r\n\r\n" + b"z" * 9_000],
)  # fmt: skip
def test_an_answer_that_is_too_long_is_cut(server: Server, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake_module, "MAX_ANSWER_BYTES", 8_000)
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    sock, _ = server.accept_silently()
    sock.sendall(sent)

    with pytest.raises(HandshakeError, match="more than 8000 bytes"):
        opening.result(10)


def test_a_redirect_is_not_followed(server: Server) -> None:
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    server.refuse("302 Found", [f"Location: {server.url}"])

    with pytest.raises(HandshakeError, match="Redirect"):
        opening.result(10)


def test_a_cookie_that_cannot_be_read_is_a_failed_handshake(server: Server) -> None:
    opening = meanwhile(lambda: open_connection(server.url, (), Pace(5), SystemClock()))
    server.refuse("302 Found", ["Set-Cookie: a@b=1"])

    with pytest.raises(HandshakeError, match="CookieError"):
        opening.result(10)


@pytest.mark.parametrize("form", ["http://me:p%40ss@127.0.0.1:{}", "me:p%40ss@127.0.0.1:{}"])
def test_a_proxy_is_asked_for_a_tunnel(server: Server, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", form.format(server.port))
    monkeypatch.setenv("no_proxy", "")
    opening = meanwhile(lambda: open_connection("ws://stream.example:9443/x", (), Pace(5), SystemClock()))
    sock, asked = server.accept_silently()
    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    through = sock.recv(4096)
    sock.sendall(b"HTTP/1.1 418 I'm a teapot\r\n\r\n")

    with pytest.raises(HandshakeError, match="HTTP 418"):
        opening.result(10)
    assert asked.startswith("CONNECT stream.example:9443 ")
    assert f"Basic {b64encode(b'me:p@ss').decode()}" in asked
    assert through.startswith(b"GET /x ")


def test_a_refused_connection_is_a_failed_handshake(server: Server) -> None:
    server.close()

    with pytest.raises(HandshakeError, match="Connection refused"):
        open_connection(server.url, (), Pace(5), SystemClock())


@pytest.mark.parametrize("host", ["stream..binance.com", "a" * 64])
def test_a_name_that_cannot_be_looked_up_is_a_failed_handshake(host: str) -> None:
    with pytest.raises(HandshakeError, match="UnicodeError"):
        open_connection(f"ws://{host}/stream", (), Pace(5), SystemClock())


def test_over_tls_messages_of_any_size_come_whole(
    tls_server: Server, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    opening = meanwhile(lambda: open_connection(tls_server.url.replace("ws:", "wss:"), (), Pace(5), SystemClock()))
    peer = tls_server.accept(wire(b"with the handshake"))
    connection = opening.result(TIMEOUT_SECS)
    big = b"0123456789" * 50_000
    half = wire(b"in two records")

    assert next_batch(connection).frames == [b"with the handshake"]
    assert connection.read() is None
    peer.send(wire(b"ping", Opcode.PING), wire(big), half[:7])
    frames = read_until(connection, lambda frames: len(frames) == 1)
    assert connection.read() is None
    peer.send(half[7:], close_frame())
    rest, over = read_to_the_end(connection)

    assert frames + rest == [big, b"in two records"]
    assert over.reason == "closed"
    assert peer.receive() == (Opcode.PONG, b"ping")


def test_an_untrusted_certificate_is_refused(tls_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    opening = meanwhile(lambda: open_connection(tls_server.url.replace("ws:", "wss:"), (), Pace(5), SystemClock()))
    with pytest.raises(ssl.SSLError):
        tls_server.accept()

    with pytest.raises(HandshakeError, match="CERTIFICATE_VERIFY_FAILED"):
        opening.result(TIMEOUT_SECS)
