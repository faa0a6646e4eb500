"""The wall clock of tests of budgets."""

MINUTE = 1_700_000_040.0
"""The beginning of a minute."""


class WallClock:
    """Seconds that a test sets; they begin with one of the exchange's minutes."""

    def __init__(self) -> None:
        self.secs = MINUTE

    def now_ns(self) -> int:
        return int(self.secs * 1e9)
