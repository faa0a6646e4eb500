"""Which streams are the busiest, as the writer last reported: what repair fetches first where not all can be had at once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from collector.domain.records import StreamKey
from collector.reports import StreamNumbers

REFRESH_SECS: Final = 1.0
"""The writer reports about so often."""


class _Report(msgspec.Struct):
    streams: list[StreamNumbers] = []


_decode: Final = msgspec.json.Decoder(_Report).decode


class BusyStreams:
    """Messages of each stream in this run; none while there is no report."""

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        """`path` is the file of the writer's report."""
        self._path = path
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._messages: Mapping[StreamKey, int] = {}

    def messages(self) -> Mapping[StreamKey, int]:
        """By stream. Reads the report again if that was some time ago."""
        now = self._monotonic()
        if self._read_at is None or not 0 <= now - self._read_at < REFRESH_SECS:
            self._read_at, self._messages = now, _read(self._path)
        return self._messages


def _read(path: Path) -> Mapping[StreamKey, int]:
    try:
        streams = _decode(path.read_bytes()).streams
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        # There is none yet, or it is of another version: then books are fetched in the order asked for.
        return {}
    return {StreamKey(*numbers[:3]): numbers.messages for numbers in streams}
