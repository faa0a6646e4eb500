"""TLS in memory, over real loopback sockets: whatever records and segments a peer cuts its bytes into, they all come."""

import contextlib
import itertools
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, cast

import pytest
from websockets.frames import Opcode

from collector.feed.connection import Connection, open_connection
from collector.feed.outbox import Pace
from collector.feed.socket import ConnectionOverError, RecorderSocket
from collector.feed.tls import TlsSocket
from collector.processes.context import SystemClock
from tests.feed.servers import TIMEOUT_SECS, Server, close_frame, meanwhile, wire

RECORD_BYTES: Final = 16 << 10

Certificate = tuple[Path, Path]


class TlsPeer:
    """A server whose ciphertext the test sends itself, cut as it likes."""

    def __init__(self, sock: socket.socket, certificate: Certificate) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake_hands(self) -> None:
        while not self._is_done(self._tls.do_handshake):
            self.sock.sendall(self._outgoing.read())
            self._incoming.write(self.sock.recv(1 << 16))
        self.sock.sendall(self._outgoing.read())

    def record(self, data: bytes) -> bytes:
        """The record, or records, of these bytes."""
        self._tls.write(data)
        return self._outgoing.read()

    def close_notify(self) -> bytes:
        assert not self._is_done(self._tls.unwrap)
        return self._outgoing.read()

    def read(self) -> bytes:
        """The content of the next record."""
        while True:
            try:
                return self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._incoming.write(self.sock.recv(1 << 16))

    @staticmethod
    def _is_done(step: Callable[[], object]) -> bool:
        try:
            step()
        except ssl.SSLWantReadError:
            return False
        return True


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[0])


def loopback_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    for sock in (ours, theirs):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(TIMEOUT_SECS)
    return ours, theirs


def connected(certificate: Certificate) -> tuple[TlsSocket, TlsPeer]:
    """Both ends of a connection past the TLS handshake."""
    ours, theirs = loopback_pair()
    peer = TlsPeer(theirs, certificate)
    shaking = meanwhile(peer.shake_hands)
    tls = TlsSocket(ours, trusting(certificate), "127.0.0.1", time.monotonic)
    shaking.result(TIMEOUT_SECS)
    return tls, peer


@pytest.fixture
def both(certificate: Certificate) -> Iterator[tuple[TlsSocket, TlsPeer]]:
    tls, peer = connected(certificate)
    yield tls, peer
    tls.close()
    peer.sock.close()


@pytest.fixture
def line(both: tuple[TlsSocket, TlsPeer]) -> tuple[Connection, TlsPeer]:
    """A WebSocket connection over TLS, past both handshakes."""
    tls, peer = both
    return over(tls), peer


def over(tls: TlsSocket) -> Connection:
    ws = RecorderSocket(skip_utf8_validation=True, enable_multithread=False)
    ws.sock = cast(socket.socket, tls)
    return Connection(ws, (), Pace(1), SystemClock())


def arrived(tls: TlsSocket, size: int) -> bytes:
    """That many bytes, which may take many reads."""
    data = b""
    while len(data) < size:
        assert tls.receive(), f"the stream ended after {data!r}"
        data += tls.received()
    return data


def frames_of(connection: Connection, count: int) -> tuple[list[bytes], int]:
    """So many messages, and how many batches they came in."""
    frames: list[bytes] = []
    batches = 0
    deadline = time.monotonic() + TIMEOUT_SECS
    while len(frames) < count:
        assert time.monotonic() < deadline, f"only {len(frames)} messages came"
        if batch := connection.read():
            batches += 1
            frames += batch.frames
    return frames, batches


def test_one_read_brings_the_frames_of_many_records(line: tuple[Connection, TlsPeer]) -> None:
    connection, peer = line
    sent = [b'{"trade":%d}' % number * 9 for number in range(100)]
    peer.sock.sendall(b"".join(peer.record(wire(frame)) for frame in sent))

    frames, batches = frames_of(connection, 100)
    assert frames == sent
    assert batches < 20, "loopback hands over this little in one piece, or in a few"


def test_records_may_be_full_of_frames_and_cut_them_anywhere(line: tuple[Connection, TlsPeer]) -> None:
    connection, peer = line
    sent = [b"%d" % number * 37 for number in range(20_000)]
    stream = b"".join(map(wire, sent))
    records = [peer.record(stream[at : at + RECORD_BYTES]) for at in range(0, len(stream), RECORD_BYTES)]
    sending = meanwhile(lambda: peer.sock.sendall(b"".join(records)))

    assert frames_of(connection, len(sent))[0] == sent
    sending.result(TIMEOUT_SECS)


def test_a_record_may_come_in_any_number_of_segments(line: tuple[Connection, TlsPeer]) -> None:
    connection, peer = line
    sent = [b"a" * 200, b"", b"b" * 300]
    ciphertext = peer.record(wire(sent[0])) + peer.record(wire(sent[1]) + wire(sent[2]))
    for at in range(len(ciphertext)):
        peer.sock.sendall(ciphertext[at : at + 1])
        connection.wait_secs = 0
        batch = connection.read()
        assert batch is None or batch.frames == [sent.pop(0) for _ in batch.frames]
    connection.wait_secs = 1

    assert frames_of(connection, len(sent))[0] == sent


def test_a_part_of_a_record_is_nothing_received_and_holds_back_nothing(line: tuple[Connection, TlsPeer]) -> None:
    connection, peer = line
    whole, half = peer.record(wire(b"whole")), peer.record(wire(b"half"))
    peer.sock.sendall(whole + half[:9])
    assert frames_of(connection, 1)[0] == [b"whole"]
    connection.wait_secs = 0

    assert connection.read() is None
    connection.wait_secs = 1
    peer.sock.sendall(half[9:])
    assert frames_of(connection, 1)[0] == [b"half"]


def test_an_answer_goes_out_between_the_frames_of_one_read(line: tuple[Connection, TlsPeer]) -> None:
    connection, peer = line
    peer.sock.sendall(
        peer.record(wire(b"1")) + peer.record(wire(b"ping", Opcode.PING)) + peer.record(wire(b"2") + close_frame())
    )

    assert frames_of(connection, 2)[0] == [b"1", b"2"]
    answer = peer.read()
    assert answer[0] == 0x80 | Opcode.PONG
    assert peer.read()[0] == 0x80 | Opcode.CLOSE


def test_what_was_read_with_the_handshake_does_not_wait_for_the_socket(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    peer.sock.sendall(peer.record(b"answer" + b"first") + peer.record(b"second"))

    assert b"".join(tls.recv(1) for _ in range(6)) == b"answer"
    assert arrived(tls, len(b"firstsecond")) == b"firstsecond"


def test_no_read_waits_while_a_frame_or_the_end_has_arrived(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    peer.sock.sendall(peer.record(b"answer" + wire(b"first")) + peer.record(wire(b"second")) + peer.close_notify())
    assert b"".join(tls.recv(1) for _ in range(6)) == b"answer"
    connection = over(tls)
    connection.wait_secs = 10 * TIMEOUT_SECS

    frames = meanwhile(lambda: frames_of(connection, 2)[0])
    assert frames.result(TIMEOUT_SECS) == [b"first", b"second"]
    ending = meanwhile(connection.read).exception(TIMEOUT_SECS)
    assert isinstance(ending, ConnectionOverError)
    assert ending.reason == "lost"


def test_the_peers_last_record_comes_before_the_end(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    peer.sock.sendall(peer.record(b"last") + peer.close_notify())

    assert arrived(tls, 4) == b"last"
    assert not tls.receive()
    assert not tls.receive()


def test_a_stream_that_is_cut_inside_a_record_ends_after_the_whole_ones(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    peer.sock.sendall(peer.record(b"whole") + peer.record(b"cut")[:-1])
    peer.sock.shutdown(socket.SHUT_WR)

    assert arrived(tls, 5) == b"whole"
    while tls.receive():
        assert tls.received() == b""


def test_a_damaged_record_is_an_error_and_the_peer_is_told(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    damaged = bytearray(peer.record(b"damaged"))
    damaged[-1] ^= 1
    peer.sock.sendall(damaged)

    with pytest.raises(ssl.SSLError):
        arrived(tls, 1)
    assert peer.sock.recv(1 << 16), "the peer is sent an alert"


def test_whole_records_before_a_damaged_one_are_returned(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    whole, damaged = peer.record(b"whole"), bytearray(peer.record(b"damaged"))
    damaged[-1] ^= 1
    peer.sock.sendall(whole + damaged)

    assert arrived(tls, 5) == b"whole"
    with pytest.raises(ssl.SSLError):
        arrived(tls, 1)


def test_sending_fails_for_good_once_the_peer_takes_nothing(both: tuple[TlsSocket, TlsPeer]) -> None:
    tls, peer = both
    tls.settimeout(0.05)
    with pytest.raises(TimeoutError):
        tls.send(b"x" * (64 << 20))

    peer.sock.sendall(peer.record(b"still read"))
    tls.settimeout(TIMEOUT_SECS)
    assert arrived(tls, 10) == b"still read"
    with pytest.raises(TimeoutError):
        tls.send(b"one record would follow the half of another")


def test_a_handshake_that_drips_takes_no_longer_than_its_timeout(certificate: Certificate) -> None:
    ours, theirs = loopback_pair()
    seconds = itertools.count(100.0)
    ours.settimeout(10.0)

    def drip() -> None:
        theirs.sendall(b"\x16\x03\x03\x40\x00")
        with contextlib.suppress(OSError):
            while not threading.Event().wait(0.01):
                theirs.sendall(b"\x00")

    dripping = meanwhile(drip)
    with ours, theirs, pytest.raises(TimeoutError, match="timed out"):
        TlsSocket(ours, trusting(certificate), "127.0.0.1", lambda: next(seconds))
    dripping.result(TIMEOUT_SECS)
    assert next(seconds) < 115, "about one second passes between two looks at the clock"


def test_a_certificate_for_another_name_is_refused_and_the_peer_is_told(certificate: Certificate) -> None:
    ours, theirs = loopback_pair()
    shaking = meanwhile(TlsPeer(theirs, certificate).shake_hands)
    with ours, theirs:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            TlsSocket(ours, trusting(certificate), "another.example", time.monotonic)
        assert isinstance(shaking.exception(TIMEOUT_SECS), ssl.SSLError)


def test_a_proxy_passes_tls_through_its_tunnel(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    asked: list[bytes] = []

    def tunnel(sock: socket.socket) -> socket.socket:
        asked.append(sock.recv(4096))
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return context.wrap_socket(sock, server_side=True)

    proxy = Server(tunnel)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    opening = meanwhile(lambda: open_connection("wss://stream.example:9443/x", (), Pace(5), SystemClock()))
    proxy.accept(wire(b"through the tunnel"))
    connection = opening.result(TIMEOUT_SECS)

    assert frames_of(connection, 1)[0] == [b"through the tunnel"]
    assert asked[0].startswith(b"CONNECT stream.example:9443 ")
    proxy.close()


@contextlib.contextmanager
def openssl_server(certificate: Certificate, version: str) -> Iterator[tuple[IO[bytes], IO[bytes], TlsSocket]]:
    """OpenSSL's own test server: it sends the lines it is given, or obeys them, and prints what it receives."""
    cert, key = certificate
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", str(cert), "-key", str(key), version]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        stdin, stdout = server.stdin, server.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            address = line_with(b"ACCEPT", stdout)
            with socket.create_connection(("127.0.0.1", int(address.rpartition(b":")[2]))) as sock:
                sock.settimeout(TIMEOUT_SECS)
                yield stdin, stdout, TlsSocket(sock, trusting(certificate), "127.0.0.1", time.monotonic)
        finally:
            server.kill()


def line_with(text: bytes, stdout: IO[bytes]) -> bytes:
    return next(line for line in iter(stdout.readline, b"") if text in line)


@pytest.mark.parametrize(
    ("version", "command"),
    [("-tls1_3", b"K\n"), ("-tls1_3", b"k\n"), ("-tls1_2", b"r\n")],
    ids=["new keys for both", "new keys of the server", "renegotiation"],
)
def test_keys_may_change_under_a_connection(certificate: Certificate, version: str, command: bytes) -> None:
    with openssl_server(certificate, version) as (stdin, stdout, tls):

        def say(line: bytes) -> None:
            stdin.write(line)
            stdin.flush()

        say(b"before\n")
        assert arrived(tls, 7) == b"before\n"
        tls.send(b"answer to before\n")
        assert line_with(b"answer to before", stdout)
        say(command)
        assert tls.receive()
        assert tls.received() == b"", "only the request has come"
        say(b"after\n")
        assert arrived(tls, 6) == b"after\n"
        tls.send(b"answer to after\n")
        assert line_with(b"answer to after", stdout)
