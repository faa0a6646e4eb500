"""Which feeds repair looks after, and how their exchanges' answers are read."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from collector.config import Config
from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import RestAdapter


class Mended(NamedTuple):
    """Who asks for what is missing of a stream: the feed that brings it now, whichever brought what is missing."""

    feed_of: Mapping[StreamKey, str]
    """Of every stream that is configured."""
    sides: Mapping[str, RestAdapter]
    """Of the feeds that are mended."""


def repairable_feeds(config: Config, adapter_of: Callable[[str], Adapter]) -> Mapping[str, RestAdapter]:
    """The feeds whose exchange can be asked for what is missing, by name.

    A feed whose stream is somebody else's (`ws_url`) is never mended from the real exchange.
    """
    if not config.repair.enabled:
        return {}
    asked = [feed for feed in config.feed if feed.rest_url or not feed.ws_url]
    sides = {feed.name: adapter_of(feed.exchange).rest for feed in asked}
    return {name: side for name, side in sides.items() if side is not None}


def feeds_of_streams(config: Config) -> Mapping[StreamKey, str]:
    """Which feed brings each stream."""
    return {key: feed.name for feed in config.feed for key in feed.streams}


def read_answer(side: RestAdapter, stream: StreamKey, body: bytes) -> list[Envelope]:
    """See `RestAdapter.read`. Raises UndecodableError, also where the adapter itself is at fault."""
    try:
        return side.read(stream, body)
    except UndecodableError:
        raise
    except Exception as error:  # a fault of ours in one answer must cost that answer, never the recording
        raise UndecodableError(f"{type(error).__name__} in the adapter") from error
