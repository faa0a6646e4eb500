"""Which line lags behind another for long, by when both bring the same frame. Nothing is parsed for it.

Now and then a frame of one line is kept until another line brings the very same bytes: so much later that one is. Where the
exchange writes something of its own into the frames of each connection, no frame is ever the same and no lag is noticed.
"""

import threading
from collections.abc import Sequence
from typing import Final

LAG_SECS: Final = 5.0
"""Nearer than this is no lag."""

PATIENCE_SECS: Final = 60.0
"""How long a line may lag before its connection is replaced; doubles with each replacement, up to `LONGEST_SECS`."""

LONGEST_SECS: Final = 3_600.0

QUIET_SECS: Final = 600.0
"""A lag that begins so long after the last replacement is the first again."""

FEWEST: Final = 6
"""Fewer late frames in a row show no lag."""

SAMPLE_SECS: Final = 300.0
"""A frame that no other line has brought for so long is given up: the other one brought it before, or lost it."""


class Lagging:
    """How long one line has lagged without a break. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._count = 0
        self._patience_secs = PATIENCE_SECS
        self._replaced_at: float | None = None

    def note(self, lag_secs: float, now: float) -> bool:
        """Note how late a frame was. Returns whether the line's connection is to be replaced now."""
        if lag_secs < LAG_SECS:
            self._since, self._count = None, 0
            return False
        if self._since is None:
            self._since = now
            self._forgive(now)
        self._count += 1
        if self._count < FEWEST or now - self._since < self._patience_secs:
            return False
        self._since, self._count, self._replaced_at = None, 0, now
        self._patience_secs = min(2 * self._patience_secs, LONGEST_SECS)
        return True

    def _forgive(self, now: float) -> None:
        if self._replaced_at is not None and now - self._replaced_at >= self._patience_secs + QUIET_SECS:
            self._patience_secs = PATIENCE_SECS


class LineLag:
    """The lags of the lines that carry one plan. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, int] = {}
        """Line of each open connection."""
        self._samples: dict[int, tuple[bytes, float]] = {}
        """By line: a frame that it brought, and when."""
        self._lines: dict[int, Lagging] = {}
        self.is_shared = False
        """Whether several lines have an open connection."""

    def opened(self, connection: int, line: int) -> None:
        """A connection of the line is open."""
        with self._lock:
            self._open[connection] = line
            self._note_open()

    def closed(self, connection: int) -> None:
        """That connection is over."""
        with self._lock:
            self._open.pop(connection, None)
            self._note_open()

    def note(self, line: int, frames: Sequence[bytes], now: float, *, may_sample: bool) -> bool:
        """Note what a line brought; `may_sample` says that its first frame is a message.

        Returns whether the line has lagged for so long that its connection is to be replaced.
        """
        is_due = False
        with self._lock:
            for other, (sample, at) in list(self._samples.items()):
                if other != line and sample in frames:
                    del self._samples[other]
                    is_due |= self._lines.setdefault(line, Lagging()).note(now - at, now)
            if may_sample and (line not in self._samples or now - self._samples[line][1] >= SAMPLE_SECS):
                self._samples[line] = frames[0], now
        return is_due

    def _note_open(self) -> None:
        self.is_shared = len(set(self._open.values())) > 1
        if not self.is_shared:
            self._samples.clear()


class LineLags:
    """The lags of a feed's lines, plan by plan. For any thread."""

    def __init__(self) -> None:
        self._by_plan: dict[int, LineLag] = {}

    def of(self, plan: int) -> LineLag:
        """The lags of the lines that carry this plan."""
        return self._by_plan.setdefault(plan, LineLag())
