"""One connection to a NATS server. Once it is lost it stays so; `client.py` then opens another.

Why not the reconnecting of nats-py: it gives up for good when a server refuses credentials for a moment, and keeps what was
to be sent, so old messages would arrive late; here whatever was under way fails at once.
"""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from collector.bus.answers import answer_of, stored_at
from collector.bus.bus import BusError
from collector.domain.errors import ConfigError

try:
    import nats.errors
    from nats.aio.client import Client
    from nats.aio.msg import Msg
except ModuleNotFoundError as missing:
    if missing.name != "nats":
        raise
    raise ConfigError(
        ["several hosts need nats-py: pip install 'nats-py[nkeys]' (the extra 'hosts' brings it)"]
    ) from None

CONNECT_SECS: Final = 2
PING_SECS: Final = 2
MOST_PINGS: Final = 2
"""A server that answers none of so many is lost."""

ANSWER_SECS: Final = 3.0
"""How long a request may take, and a published message to be stored: a new leader is chosen meanwhile, or the next try finds
it."""
_LOOK_SECS: Final = 1.0
_PENDING_BYTES: Final = 0
"""Of nats-py: nothing is kept for a later connection."""


class Message(NamedTuple):
    """What came from a server."""

    subject: str
    reply: str
    data: bytes
    headers: Mapping[str, str]

    @property
    def status(self) -> str:
        """Of a message that stands for something else; empty for any other."""
        return self.headers.get("Status", "")


T = TypeVar("T")


class Options(NamedTuple):
    """The servers and how to reach them; files as paths, empty for none."""

    urls: tuple[str, ...]
    credentials_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    replicas: int = 3
    stream_max_bytes: int = 20 << 30

    def tls(self, url: str) -> ssl.SSLContext | None:
        """How to encrypt, if that is wanted. Raises ConfigError."""
        if not (url.startswith("tls:") or self.ca_file or self.certificate_file):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file or None)
        except OSError as error:
            raise ConfigError([f"nats: the certificate files cannot be used: {error}"]) from error
        return context


class Link:
    """A connection; `open_link` makes one."""

    def __init__(self, client: Client, down: asyncio.Event, url: str) -> None:
        self._client = client
        self._down = down
        self.url = url
        self._asked: dict[str, tuple[asyncio.Future[Any], Callable[[Message], None]]] = {}
        self._numbers = itertools.count(1)
        self._inbox = client.new_inbox()

    @property
    def is_up(self) -> bool:
        """Whether it is not lost."""
        return self._client.is_connected

    @property
    def most_bytes(self) -> int:
        """The longest message that the server takes."""
        return self._client.max_payload

    @property
    def server(self) -> Mapping[str, Any]:
        """What the server said of itself: https://docs.nats.io/reference/reference-protocols/nats-protocol#info."""
        return self._client._server_info  # noqa: SLF001 -- nothing public says so

    async def begin(self) -> None:
        """Listen for answers. Raises BusError."""
        await self.listen(f"{self._inbox}.*", self._answered)

    async def lost(self) -> None:
        """Wait until the connection is lost; then whatever is under way fails."""
        while self._client.is_connected:
            # Closing an encrypted connection may take long, and only then nats-py tells of it.
            try:
                async with asyncio.timeout(_LOOK_SECS):
                    await self._down.wait()
            except TimeoutError:
                continue
        self._fail(BusError("the connection to the NATS server was lost"))

    async def close(self) -> None:
        """Give the connection up."""
        self._fail(BusError("the connection to the NATS server was closed"))
        await _closed(self._client)

    async def api(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask JetStream. Raises BusError."""
        text = b"" if body is None else msgspec.json.encode(body)
        return await (await self._ask(f"$JS.API.{name}", text, lambda message: answer_of(message.data, message.status)))

    async def send(self, subject: str, body: bytes, reply: str, headers: dict[str, str] | None = None) -> None:
        """Send a message. Raises BusError."""
        try:
            await self._client.publish(subject, body, reply=reply, headers=headers)
        except (nats.errors.Error, OSError) as error:
            raise BusError(_text(error)) from error

    async def publish(
        self, subject: str, message: bytes, headers: dict[str, str] | None = None
    ) -> "asyncio.Future[int]":
        """Send a message to be stored; the future gives its sequence, or raises BusError."""
        return await self._ask(subject, message, lambda answer: stored_at(answer.data, answer.status), headers)

    async def listen(self, subject: str, take: Callable[[Message], object]) -> Callable[[], Awaitable[None]]:
        """Hand on every message of a subject; returns what ends that. Raises BusError."""

        async def hand_on(message: Msg) -> None:
            take(_message_of(message))

        try:
            subscription = await self._client.subscribe(
                subject, cb=hand_on, pending_bytes_limit=0, pending_msgs_limit=0
            )
        except (nats.errors.Error, OSError) as error:
            raise BusError(_text(error)) from error

        async def end() -> None:
            if self._client.is_connected:
                await subscription.unsubscribe()

        return end

    def inbox(self) -> str:
        """A subject that nobody else uses."""
        return str(self._client.new_inbox())

    async def _ask(
        self, subject: str, body: bytes, read: Callable[[Message], T], headers: dict[str, str] | None = None
    ) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        token = str(next(self._numbers))
        answer: asyncio.Future[T] = loop.create_future()

        def take(message: Message) -> None:
            if answer.done():
                return
            try:
                answer.set_result(read(message))
            except BusError as error:
                _fail(answer, error)

        def done(_answer: "asyncio.Future[T]") -> None:
            timer.cancel()
            self._asked.pop(token, None)

        self._asked[token] = answer, take
        timer = loop.call_later(ANSWER_SECS, _fail, answer, BusError("the NATS servers did not answer in time"))
        answer.add_done_callback(done)
        try:
            await self.send(subject, body, f"{self._inbox}.{token}", headers)
        except BusError:
            answer.cancel()
            raise
        return answer

    def _answered(self, message: Message) -> None:
        asked = self._asked.get(message.subject.rpartition(".")[2])
        if asked is not None:
            asked[1](message)

    def _fail(self, error: BusError) -> None:
        for answer, _ in list(self._asked.values()):
            _fail(answer, error)


async def open_link(options: Options, url: str, name: str) -> Link:
    """Connect to one server. Raises BusError, or ConfigError where no later try can work."""
    client, down = Client(), asyncio.Event()
    why: list[Exception] = []

    async def note(error: Exception) -> None:
        why.append(error)

    async def closed() -> None:
        down.set()

    tls = options.tls(url)
    try:
        async with asyncio.timeout(2 * CONNECT_SECS + 1):
            await client.connect(
                [url],
                name=name,
                error_cb=note,
                closed_cb=closed,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECS,
                ping_interval=PING_SECS,
                max_outstanding_pings=MOST_PINGS,
                pending_size=_PENDING_BYTES,
                tls=tls,
                user_credentials=options.credentials_file or None,
            )
        _check_tls(client, wanted=tls is not None)
        link = Link(client, down, url)
        await link.begin()
    except (nats.errors.Error, TimeoutError, OSError, ValueError, BusError) as error:
        await _closed(client)
        raise BusError(f"{url}: {_text(why[0] if why else error)}{_asked_for(client)}") from error
    except ModuleNotFoundError as missing:
        problem = f"nats.credentials_file needs {missing.name}: pip install 'nats-py[nkeys]'"
        raise ConfigError([problem]) from missing
    return link


def _asked_for(client: Client) -> str:
    """What the server asked for before it closed the connection: its own word for that may be lost with the connection."""
    return " (it asks for credentials)" if client._server_info.get("auth_required") else ""  # noqa: SLF001 -- as above


def _message_of(message: Msg) -> Message:
    return Message(message.subject, message.reply, message.data, message.headers or {})


def _check_tls(client: Client, *, wanted: bool) -> None:
    # A server that does not ask for encryption is spoken to without it, whatever nats-py was told to use.
    if wanted and not client._server_info.get("tls_required"):  # noqa: SLF001 -- nothing public says so
        raise BusError("the server offers no TLS")


async def _closed(client: Client) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECS):
            await client.close()
    except (nats.errors.Error, TimeoutError, OSError, AssertionError):
        return  # it never was a connection, or its end does not answer: nothing is left to do


def _fail(answer: "asyncio.Future[Any]", error: BusError) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # whoever went on without it is not told at its end


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
