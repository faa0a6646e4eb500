"""Asks every server of the configuration, once, whether recording over several hosts can work with it: for `--check`."""

import asyncio
import base64
import json
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from collector.bus import names, settings
from collector.bus.answers import ApiError, NoMessageError
from collector.bus.bus import BusError, FullError, MissingError
from collector.bus.link import Link, Options, open_link
from collector.domain.redact import printable

MONITORING_PORT: Final = 8222
"""Where servers serve their monitoring pages by default. Clients are not told whether they do, nor at which port."""

LEAST_BYTES: Final = 32 << 10
"""A server that takes no longer messages has no room for slices."""

_BUCKETS: Final = (names.PLACES, names.MEMBERS, names.HOSTS)
_TRIAL_BYTES: Final = 1 << 20
_MONITORING_SECS: Final = 1.0
_MOST_ANSWER_BYTES: Final = 1 << 20
_HAS_NO_ROOM: Final = ("storage", "resource limits", "maximum bytes")
"""Parts of refusals that speak of room; the codes differ between servers alone and in a cluster."""


class Found(NamedTuple):
    """What is known of the servers, as lines for people."""

    lines: list[str]
    warnings: list[str]
    problems: list[str]
    places: dict[str, bytes | None]
    """What storage told last of each feed of which this host makes streams, None of one of which it told nothing; without
    those of which the servers did not say it."""


def check_servers(
    options: Options, host: str, feeds: Sequence[str] = (), slice_bytes: int = 0, monitoring_port: int = MONITORING_PORT
) -> Found:
    """Connect to each server, and make a stream for a moment. `feeds`: those of which this host makes streams.

    Takes some ten seconds at most. Raises ConfigError where files of the configuration cannot be used.
    """
    return asyncio.run(_check(options, host, feeds, slice_bytes, monitoring_port))


async def _check(options: Options, host: str, feeds: Sequence[str], slice_bytes: int, port: int) -> Found:
    found = Found([], [], [], {})
    opened = await asyncio.gather(
        *(open_link(options, url, f"{host} check") for url in options.urls), return_exceptions=True
    )
    links = [each for each in opened if isinstance(each, Link)]
    try:
        for each in opened:
            if isinstance(each, BusError):
                found.problems.append(f"nats.urls: {_reason(str(each))}")
            elif isinstance(each, BaseException):
                raise each
        unseen = [link.url for link in links if not await _look_at(link, slice_bytes, port, found)]
        if unseen:
            found.lines.append(
                f"whether each write is synced cannot be seen from here (no monitoring page at port {port}) of "
                f"{', '.join(unseen)}: their jetstream block should have sync_interval: always"
            )
        clusters = {str(link.server.get("cluster") or link.url) for link in links}
        if len(clusters) > 1:
            names_of = printable(", ".join(sorted(clusters)))
            found.problems.append(f"nats.urls: the servers are not of one cluster: {names_of}")
        able = [link for link in links if link.server.get("jetstream")]
        if able and len(clusters) == 1:
            await _look_for_streams(able[0], options, host, feeds, found)
    finally:
        await asyncio.gather(*(link.close() for link in links))
    return found


async def _look_for_streams(link: Link, options: Options, host: str, feeds: Sequence[str], found: Found) -> None:
    found.problems.extend([text async for text in _taken_subjects(link, host, feeds)])
    if problem := await _trial(link, options, host, feeds):
        found.problems.append(problem)
    if warning := await _growth(link, options, host, feeds):
        found.warnings.append(warning)
    for feed in feeds:
        with suppress(BusError):  # what is wrong with the servers is among the problems
            found.places[feed] = await _place(link, host, feed)


def _reason(text: str) -> str:
    plain = printable(text)
    if "authorization" in plain.lower() or "asks for credentials" in plain:
        url = plain.partition(": ")[0]
        return f"{url}: the credentials are refused: see nats.credentials_file"
    return plain


async def _look_at(link: Link, slice_bytes: int, port: int, found: Found) -> bool:
    """Note what the server is and lacks; returns whether it can be seen if it syncs each write."""
    server, url = link.server, link.url
    cluster = server.get("cluster")
    about = f", cluster {printable(str(cluster))}" if cluster else ", alone"
    found.lines.append(f"{url}: nats-server {printable(str(server.get('version', '?')))}{about}")
    if not server.get("jetstream"):
        found.problems.append(f"nats.urls: {url} has no JetStream: its configuration needs a jetstream block")
    if link.most_bytes < LEAST_BYTES:
        found.problems.append(f"nats.urls: {url} takes messages of {link.most_bytes} bytes at most: raise max_payload")
    elif link.most_bytes < slice_bytes:
        found.warnings.append(
            f"{url} takes messages of {link.most_bytes} bytes at most: slices of edge.slice_bytes go in parts; "
            "raise max_payload"
        )
    syncs = await asyncio.to_thread(_syncs, link, port)
    if syncs is False:
        found.warnings.append(
            f"{url} does not sync each write to its disk: its jetstream block should have sync_interval: always"
        )
    return syncs is not None


def _syncs(link: Link, port: int) -> bool | None:
    """Whether the server syncs each write, by its monitoring page; None if that cannot be had."""
    url = f"http://{urlsplit(link.url).netloc.rpartition('@')[2].rsplit(':', 1)[0]}:{port}/varz"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_MONITORING_SECS) as answer:
            told: Any = json.loads(answer.read(_MOST_ANSWER_BYTES))
            if told["server_id"] != link.server.get("server_id"):
                return None
            return bool(told["jetstream"]["config"].get("sync_always"))
    except (OSError, ValueError, LookupError, TypeError):
        return None


async def _trial(link: Link, options: Options, host: str, feeds: Sequence[str]) -> str:
    """Make a stream as recording needs them, and remove it; returns what is wrong, or nothing."""
    try:
        streams = [feed for feed in feeds if not await _has_stream(link, names.stream(host, feed))]
        buckets = [name for name in _BUCKETS if not await _has_stream(link, settings.bucket_stream(name))]
        problem = await _try_stream(link, host, options.replicas, _TRIAL_BYTES)
        if problem or not (streams or buckets):
            return problem
        wanted = options.stream_max_bytes * len(streams) + settings.BUCKET_BYTES * len(buckets)
        refused = await _try_stream(link, host, options.replicas, wanted)
    except BusError as error:
        return f"nats.urls: {link.url}: {_reason(str(error))}"
    if not refused:
        return ""
    return (
        f"nats.stream_max_bytes: no room for {len(streams)} streams of {options.stream_max_bytes >> 20} MiB and "
        f"{len(buckets)} buckets of {settings.BUCKET_BYTES >> 20} MiB: {refused}"
    )


async def _taken_subjects(link: Link, host: str, feeds: Sequence[str]) -> AsyncIterator[str]:
    """A line for each subject of this host that a stream of another name has."""
    wanted = {names.stream(host, feed): names.subject(host, feed) for feed in feeds}
    wanted |= {settings.bucket_stream(name): settings.key_subject(name, ">") for name in _BUCKETS}
    for name, subject in wanted.items():
        with suppress(BusError):  # what is wrong with the servers is told by the trial
            answer = await link.api("STREAM.NAMES", {"subject": subject})
            for other in answer.get("streams") or []:
                if other != name:
                    yield f"nats.urls: the stream {printable(str(other))} has the subject {subject}: remove it"


async def _growth(link: Link, options: Options, host: str, feeds: Sequence[str]) -> str:
    """Whether the streams that are there cannot get the size that is configured; nothing if they can."""
    try:
        sizes = [await _stream_bytes(link, names.stream(host, feed)) for feed in feeds]
        more_bytes = sum(max(0, options.stream_max_bytes - size) for size in sizes if size is not None)
        refused = await _try_stream(link, host, options.replicas, more_bytes) if more_bytes > _TRIAL_BYTES else ""
    except BusError:
        return ""  # what is wrong with the servers is told by the trial
    if not refused:
        return ""
    return f"nats.stream_max_bytes: no room to enlarge the streams that are there, which stay as they are: {refused}"


async def _place(link: Link, host: str, feed: str) -> bytes | None:
    wanted = {"last_by_subj": settings.key_subject(names.PLACES, names.place_key(host, feed))}
    try:
        answer = await link.api(f"STREAM.MSG.GET.{settings.bucket_stream(names.PLACES)}", wanted)
    except (MissingError, NoMessageError):
        return None
    return base64.b64decode(answer["message"].get("data", ""))


async def _has_stream(link: Link, name: str) -> bool:
    return await _stream_bytes(link, name) is not None


async def _stream_bytes(link: Link, name: str) -> int | None:
    """How much a stream may hold; None if there is none of that name."""
    try:
        return int((await link.api(f"STREAM.INFO.{name}"))["config"]["max_bytes"])
    except MissingError:
        return None


async def _try_stream(link: Link, host: str, replicas: int, max_bytes: int) -> str:
    wanted = settings.trial_stream(host, replicas, max_bytes)
    name = wanted["name"]
    try:
        await _remove(link, name)  # one that a check left which was killed
        await link.api(f"STREAM.CREATE.{name}", wanted)
    except (ApiError, FullError) as error:
        text = printable(str(error))
        if max_bytes > _TRIAL_BYTES:
            return text
        if any(part in text for part in _HAS_NO_ROOM) and replicas == 1:
            return f"nats.urls: {link.url} has no room for streams: {text}"
        return f"nats.replicas = {replicas}: a stream with so many copies is refused, {_count(link)} known: {text}"
    await _remove(link, name)
    return ""


def _count(link: Link) -> str:
    """How many servers the cluster has, as far as it tells its clients."""
    count = max(1, len(link.server.get("connect_urls") or ()))
    return "1 server is" if count == 1 else f"{count} servers are"


async def _remove(link: Link, name: str) -> None:
    try:
        await link.api(f"STREAM.DELETE.{name}")
    except MissingError:
        return
