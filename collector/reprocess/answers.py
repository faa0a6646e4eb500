"""Reads what was fetched over REST and not understood then: answers of repair, and polls."""

from typing import Final, NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.records import BACKFILLED_LINE, INSTRUMENT, Envelope, StreamKey
from collector.domain.repair_protocol import RepairAnswer, decode_answer
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import Hole, RestAdapter

POLLED_LINE: Final = 0
"""The line of polled rows."""


class Fetched(NamedTuple):
    """The messages of an answer, and how they are stored."""

    messages: list[Envelope]
    line: int
    series: int | None
    """None: the answer names none."""


def read_answer(adapter: Adapter, frame: bytes) -> Fetched:
    """What an answer has. Raises UndecodableError, also for a fault of the adapter itself."""
    about, body = decode_answer(frame)
    key = StreamKey(adapter.exchange, about.symbol, about.data_type)
    if adapter.rest is None or key.data_type not in adapter.id_rules:
        raise UndecodableError(f"{key.data_type!a} cannot be fetched over REST")
    try:
        messages = _messages(adapter.rest, key, about, body)
    except UndecodableError:
        raise
    except Exception as error:  # a fault of the adapter costs this one answer
        raise UndecodableError(f"{type(error).__name__} in the adapter") from error
    return Fetched(messages, POLLED_LINE if about.answer == "poll" else BACKFILLED_LINE, about.series)


def _messages(rest: RestAdapter, key: StreamKey, about: RepairAnswer, body: bytes) -> list[Envelope]:
    match about.answer:
        case "end":
            return []
        case "snapshot":
            return [rest.read_snapshot(key, body)]
        case "page":
            page = rest.read_page(key, Hole(about.first, about.last), "", body)
            return [one for one in page.messages if one.id is not None and about.first <= one.id <= about.last]
        case "poll" if key.data_type == INSTRUMENT:
            return [Envelope(key, None, None, None, body)] if body else []
        case "poll":
            polled = rest.read_poll(key, body)
            return [] if polled is None else [polled]
