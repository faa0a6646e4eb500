"""Opens a gap when a stream exceeds its learned silence limit; closes it when data returns.

A stream without any message has the limit that applies before one is learned.
"""

from collections.abc import Iterable, Mapping

from collector.domain.records import StreamKey
from collector.domain.silence import StreamActivity, end_of_silence, silence
from collector.processes.writer.gaps.pending_gap_rows import PendingGapRows
from collector.processes.writer.streams import StreamState


class SilenceWatch:
    """Checks the streams that connections carry for silence."""

    def __init__(self, rows: PendingGapRows) -> None:
        self._rows = rows

    def check(self, streams: Iterable[StreamState], connected_us: int, now_us: int) -> None:
        """Check streams of a plan that has been connected without a break since `connected_us`."""
        for stream in streams:
            if stream.activity.offline is not None:
                continue  # it has joined the plan, and the connection that is to bring it is still to come
            since_us = max(connected_us, stream.activity.carried_since_us)
            activity, last_message_us = stream.activity, stream.last_message_us
            if last_message_us != activity.checked_us:
                self._note(stream, since_us, stream.silence_limit.limit_secs * 1e6)
            limit_us = stream.silence_limit.limit_secs * 1e6
            if not stream.is_silent and activity.silent_us(since_us, now_us) > limit_us:
                activity.silent_since_us, stream.is_silent = last_message_us, True
                self._rows.add(stream.key, silence(stream.key, last_message_us, now_us))
                self._rows.touch(stream)

    def end_silence(self, stream: StreamState, at_us: int) -> None:
        """Close the gap of a silent stream that has a message again."""
        activity = stream.dedup.progress.activity
        since_us = activity.silent_since_us
        if since_us is not None:
            self._end(stream, since_us, at_us)
            stream.silence_limit.note(max(0, at_us - since_us) / 1e6)
        activity.silent_since_us, stream.is_silent, activity.checked_us, activity.quiet_connected_us = (
            None,
            False,
            at_us,
            0,
        )

    def drop(self, stream: StreamState, at_us: int) -> None:
        """Close the gap of a stream that no feed subscribes any more, because the end of its silence could not be seen."""
        activity = stream.activity
        if activity.silent_since_us is not None:
            self._end(stream, activity.silent_since_us, at_us)
        activity.silent_since_us, stream.is_silent = None, False

    def check_unspoken(
        self, unspoken: Mapping[StreamKey, StreamActivity], limit_us: float, connected_us: int, now_us: int
    ) -> None:
        """As `check`, for streams without any message."""
        for key, activity in unspoken.items():
            since_us = max(connected_us, activity.carried_since_us)
            if (
                activity.first_us
                and activity.offline is None
                and activity.silent_since_us is None
                and activity.silent_us(since_us, now_us) > limit_us
            ):
                activity.silent_since_us = activity.first_us or since_us
                self._rows.add(key, silence(key, activity.silent_since_us, now_us))

    def close_unspoken(self, key: StreamKey, activity: StreamActivity, at_us: int) -> None:
        """Close the gap of a stream that has its first message, or is no longer subscribed."""
        if activity.silent_since_us is not None:
            self._rows.add(key, end_of_silence(key, activity.silent_since_us, at_us, nothing_missing=False))
            activity.silent_since_us = None

    def _note(self, stream: StreamState, since_us: int, limit_us: float) -> None:
        """Learn from a pause that has ended, unless it includes time before `since_us`, when no connection was open."""
        activity, last_message_us = stream.dedup.progress.activity, stream.last_message_us
        pause_us, activity.checked_us, activity.quiet_connected_us = (
            last_message_us - activity.checked_us,
            last_message_us,
            0,
        )
        self._rows.touch(stream)
        if activity.checked_us - pause_us >= since_us and pause_us > 0:
            stream.silence_limit.note(pause_us / 1e6)
            if pause_us > limit_us and not stream.is_silent:
                # The whole feed was quiet, so nothing was checked meanwhile.
                self._end(stream, last_message_us - pause_us, last_message_us)

    def _end(self, stream: StreamState, since_us: int, at_us: int) -> None:
        progress = stream.dedup.progress
        broken = any(hole.until_us > since_us for hole in progress.holes) or progress.last_received_us < at_us
        # Ids do not prove how the previous series ended.
        broken = broken or progress.restarted_us > since_us
        nothing_missing = stream.proves_continuity and not broken
        self._rows.add(stream.key, end_of_silence(stream.key, since_us, at_us, nothing_missing=nothing_missing))
