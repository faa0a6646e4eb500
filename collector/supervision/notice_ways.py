"""The ways that notices take: from a child to each that takes over what it leaves."""

from collections.abc import Iterator, Mapping, Sequence

from collector.channel.channel import Notice
from collector.processes.roles import NO_FEED, feed_of, role_of
from collector.supervision.child import Child


class NoticeWays:
    """The ways between these children; to be made anew when others are there."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._receivers = {child: _receivers(child.role, children) for child in children}

    def forward(self, sender: Child, newest: Mapping[str, Notice]) -> None:
        """Pass a child's newest notices on, by kind, to those that run."""
        for kind, receiver in self._receivers[sender]:
            if kind in newest and receiver.life is not None:
                receiver.life.forward(newest[kind])

    def hops(self) -> Iterator[tuple[str, str, int]]:
        """Each hop of notices: sender, receiver, notices waiting."""
        for sender, receivers in self._receivers.items():
            up = sender.life.depths()[0] if sender.life else 0
            for _, receiver in receivers:
                down = receiver.life.depths()[1] if receiver.life else 0
                yield sender.role, receiver.role, up + down


def _receivers(sender: str, children: Sequence[Child]) -> list[tuple[str, Child]]:
    """Where notices of that sender go: their kind, and the child it is forwarded to.

    What works for one feed hears of that feed alone.
    """
    role, feed = role_of(sender).name, feed_of(sender)
    hearing = [child for child in children if not feed or feed_of(child.role) in {feed, NO_FEED}]
    return [(given.notice, child) for child in hearing for given in role_of(child.role).inputs if given.sender == role]
