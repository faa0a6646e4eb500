"""Which feeds repair can repair, and how their exchanges' answers are read."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from collector.config import Config
from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import RestAdapter


class Mended(NamedTuple):
    """Which feed's repair is asked for a stream's missing messages: the feed that brings the stream now."""

    feed_of: Mapping[StreamKey, str]
    """The feed of every configured stream."""
    sides: Mapping[str, RestAdapter]
    """The REST adapter of every feed that can be repaired."""


def repairable_feeds(config: Config, adapter_of: Callable[[str], Adapter]) -> Mapping[str, RestAdapter]:
    """The REST adapters of the feeds whose exchange can be asked for missing messages, by feed.

    A feed with a `ws_url` of its own but without a `rest_url` is never repaired from the real exchange.
    """
    if not config.repair.enabled:
        return {}
    asked = [feed for feed in config.feed if feed.rest_url or not feed.ws_url]
    sides = {feed.name: adapter_of(feed.exchange).rest for feed in asked}
    return {name: side for name, side in sides.items() if side is not None}


def feeds_of_streams(config: Config) -> Mapping[StreamKey, str]:
    """The feed that brings each configured stream."""
    return {key: feed.name for feed in config.feed for key in feed.streams}


def read_answer(side: RestAdapter, stream: StreamKey, body: bytes) -> list[Envelope]:
    """Read an answer, as `RestAdapter.read` does. Raises UndecodableError, also for a fault of the adapter itself."""
    try:
        return side.read(stream, body)
    except UndecodableError:
        raise
    except Exception as error:  # a fault of the adapter costs this one answer, never the process
        raise UndecodableError(f"{type(error).__name__} in the adapter") from error
