"""Where processes of a test run: on this machine, or in a network namespace of its own as on a host of their own."""

from typing import Final, NamedTuple

OWN: Final = "127.0.0.1"


class Site(NamedTuple):
    """Where a process runs, and how it is reached."""

    address: str = OWN
    """At which the other hosts reach it."""
    within: tuple[str, ...] = ()
    """A command that runs another there."""
    door: str = OWN
    """At which the test reaches it, whatever befalls the network between the hosts."""
    outside: str = OWN
    """At which it reaches what runs beside the test: the exchange."""

    @property
    def all_interfaces(self) -> str:
        """What a server listens at that others reach, and the test, and nobody outside."""
        return OWN if self.address == OWN else "0.0.0.0"
