"""The members: the edges that are alive, and what they say of themselves."""

from collections.abc import Mapping

from collector.domain.errors import DamagedError
from collector.processes.cluster.signs import Signs
from collector.processes.cluster.values import Member, decode


class Membership:
    """Pure: times are monotonic, in seconds."""

    def __init__(self, host: str, dead_secs: float, regain_secs: float) -> None:
        """As `Signs`."""
        self._host = host
        self._signs = Signs(dead_secs, regain_secs)
        self._told: dict[str, Member] = {}
        self.members: Mapping[str, Member] = {}
        """The edges by name, as of the last answer of the servers."""

    @property
    def is_settled(self) -> bool:
        """Whether the living can be told from the dead."""
        return self._signs.is_settled

    @property
    def changes(self) -> int:
        """How often hosts came or went."""
        return self._signs.changes

    def interrupt(self) -> None:
        """The servers did not answer: everything stays as it is."""
        self._signs.interrupt()

    def observe(self, values: Mapping[str, bytes], own: Member, now: float) -> None:
        """The servers answered: these are the values of all hosts; this one's is known better from itself."""
        self._told = {}
        for name, value in values.items():
            try:
                self._told[name] = decode(value, Member)
            except DamagedError:
                continue  # it does not count as a member: nobody could tell what it brings
        self._told[self._host] = own
        marks = {name: member.mark for name, member in self._told.items()}
        self._signs.observe(marks, {name for name, member in self._told.items() if member.leaving}, now)
        alive = self._signs.alive
        self.members = {name: member for name, member in self._told.items() if member.is_edge and name in alive}
