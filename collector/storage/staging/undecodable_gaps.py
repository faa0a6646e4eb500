"""Gap rows for messages that were received but could not be typed."""

from dataclasses import dataclass

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.storage.staging.spill import Row


@dataclass
class _Stretch:
    messages: int
    series: int
    started_us: int
    ended_us: int


class UndecodableGaps:
    """Counts messages by stream, for one gap row a stream; its times are those of the messages."""

    def __init__(self) -> None:
        self._stretches: dict[StreamKey, _Stretch] = {}

    def note(self, stream: StreamKey, message: Row) -> None:
        """Count a message, as a tuple (series, id, row, received_us, …)."""
        series, _, _, received_us, *_ = message
        stretch = self._stretches.setdefault(stream, _Stretch(0, series, received_us, received_us))
        stretch.messages += 1
        stretch.series = min(stretch.series, series)
        stretch.started_us = min(stretch.started_us, received_us)
        stretch.ended_us = max(stretch.ended_us, received_us)

    def gaps(self) -> list[tuple[StreamKey, Gap]]:
        """The gap rows, sorted by stream. The messages are kept as `undecoded`; a later version may read them."""
        return [(stream, _gap(stream, stretch)) for stream, stretch in sorted(self._stretches.items())]


def _gap(stream: StreamKey, stretch: _Stretch) -> Gap:
    kind = "undecodable"
    return Gap(
        gap_id=gap_id(stream, stretch.series, kind, None, stretch.started_us),
        stream_type=stream.data_type,
        kind=kind,
        cause="parse",
        expected_id=None,
        actual_id=None,
        missing=stretch.messages,
        started_at=stretch.started_us,
        ended_at=stretch.ended_us,
        line=None,
        status="unrepairable",
        repaired_by=None,
        detected_at=stretch.ended_us,
    )
