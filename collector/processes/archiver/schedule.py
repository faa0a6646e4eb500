"""Which sealed segment the archiver works on next."""

from pathlib import Path

from collector.processes.archiver.fair_order import next_to_stage
from collector.processes.archiver.segment_replacement import SegmentReplacement
from collector.processes.archiver.segment_retries import DISK, SegmentRetries
from collector.processes.archiver.uploads import Uploads
from collector.storage.segment.seal import sealed_segments


class SegmentSchedule:
    """Segments without a set are staged, not too many ahead; a segment whose set has to wait is replaced by the set."""

    def __init__(
        self,
        segments: Path,
        uploads: Uploads,
        replacement: SegmentReplacement,
        retries: SegmentRetries,
    ) -> None:
        self._segments = segments
        self._uploads = uploads
        self._replacement = replacement
        self._backoffs = retries.backoffs
        self._deferred = retries.deferred
        self._interrupted = retries.interrupted

    def next(self, turn: int, *, store_is_there: bool, confirmed: set[str]) -> Path | None:
        """The segment to work on, None if there is none at present. One that has a set in the uploads is to be replaced by it.

        `confirmed` are the segments that the store has confirmed and that are not removed yet.
        """
        if not self._backoffs.is_over(DISK):
            return None
        sealed = sealed_segments(self._segments)
        if not store_is_there:
            may = [path for path in sealed if self._backoffs.is_over(path.stem) and path.stem not in confirmed]
            may.sort(key=lambda path: self._interrupted.comes_last(path.stem))
            return next(filter(self._replacement.may_replace, may), None)
        return self._to_stage(turn, sealed, confirmed.union(self._uploads.ids)) or self._to_replace(sealed)

    def _to_stage(self, turn: int, sealed: list[Path], staged: set[str]) -> Path | None:
        unstaged = [path for path in sealed if path.stem not in staged and self._backoffs.is_over(path.stem)]
        sound = [path for path in unstaged if not self._interrupted.comes_last(path.stem)]
        if unstaged and not sound:
            # Another death of the process would interrupt the uploads.
            return unstaged[0] if staged <= self._deferred.reasons.keys() else None
        newest_is_unstaged = bool(sound) and sound[-1].stem > max(staged, default="")
        ahead = sum(path.stem in staged and path.stem not in self._deferred.reasons for path in sealed)
        return next_to_stage(turn, sound, ahead, newest_is_unstaged=newest_is_unstaged)

    def _to_replace(self, sealed: list[Path]) -> Path | None:
        deferred = (path for path in sealed if path.stem in self._deferred.reasons and path.stem in self._uploads.ids)
        return next(filter(self._replacement.may_replace, deferred), None)
