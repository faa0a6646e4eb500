"""Gap rows for messages that were received but could not be typed."""

from dataclasses import dataclass

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.storage.staging.object_messages import ObjectMessages


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

    def note(self, stream: StreamKey, messages: ObjectMessages) -> None:
        """Count messages."""
        first, last = min(messages.received_us), max(messages.received_us)
        stretch = self._stretches.setdefault(stream, _Stretch(0, messages.series[0], first, last))
        stretch.messages += messages.number
        stretch.series = min(stretch.series, *messages.series)
        stretch.started_us = min(stretch.started_us, first)
        stretch.ended_us = max(stretch.ended_us, last)

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
