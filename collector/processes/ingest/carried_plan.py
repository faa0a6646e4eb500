"""What the connections of one plan are to carry, which may change while they stand."""

from typing import NamedTuple

from collector.exchanges.adapter import ConnectionPlan


class Edition(NamedTuple):
    """A plan as it stood between two changes."""

    plan: ConnectionPlan | None
    """None: nothing is to be recorded by it any more once the present connection has ended."""
    number: int
    """Connections of lower numbers are to be renewed."""


class CarriedPlan:
    """Shared by all readers of the plan, a reader's successors included. The main thread changes it."""

    def __init__(self, plan: ConnectionPlan) -> None:
        self.edition = Edition(plan, 0)

    def change(self, plan: ConnectionPlan | None, *, renew: bool) -> None:
        """Let the next connections be made by `plan`; with `renew`, let them replace the present ones, too."""
        self.edition = Edition(plan, self.edition.number + int(renew))
