"""The share of this edge: worked out from its members, written for ingest, and told to the others."""

from collections.abc import Mapping
from pathlib import Path

from collector.config import Config
from collector.domain.log import Log
from collector.domain.sharing import Share, View
from collector.processes.cluster.agreement import Choices, agreed_copies
from collector.processes.cluster.moves import Moves
from collector.processes.cluster.values import Member
from collector.storage.share_files import read_share, write_share


class EdgeShare:
    """For one event loop. Times are monotonic, in seconds."""

    def __init__(self, config: Config, log: Log) -> None:
        self._data_dir: Path = config.data_dir
        self._edge = config.host_name
        self._log = log
        known = read_share(config.data_dir)
        self.number = 0 if known is None else known.number
        """The number of the share that ingest can read."""
        is_own = known is not None and known.share.edge == self._edge
        self.share: Share | None = known.share if known is not None and is_own else None
        self.since_number = self.number
        """Which number the first share of the present view had."""
        self._moves = Moves(self._edge, self.share, config.share.dead_secs)
        self._choices = Choices(self._edge, config.ingest.symbols_refresh_secs)
        self._is_failing = False
        self.unlike: frozenset[str] = frozenset()
        """Feeds whose symbols the members choose differently."""

    def follow(self, members: Mapping[str, Member], now: float) -> None:
        """Work out the share with these members, of which this edge is one, and write it if it is another one."""
        view = View(tuple(sorted(members)), agreed_copies(members))
        ready = {name for name, member in members.items() if member.is_ready_for(view)}
        unlike = self._choices.unlike(members, now)
        self.unlike = frozenset() if view.gives_all else unlike
        share = self._moves.follow(view, ready, self.unlike, now)
        if share != self.share:
            self._write(share)

    def records(self, feed: str, symbol: str) -> bool:
        """Whether ingest was told to record the symbol."""
        return self.share is None or self.share.brings(feed, symbol)

    def _write(self, share: Share) -> None:
        number = self.number + 1
        try:
            write_share(self._data_dir, number, share)
        except OSError as error:
            # Ingest goes by the last one, and this is tried again with the next sign of life.
            if not self._is_failing:
                self._log.warning("share_not_written", error=str(error))
            self._is_failing = True
            return
        self._is_failing = False
        if self.share is None or share.view != self.share.view:
            self.since_number = number
            copies = share.view.copies
            self._log.info("share_changed", number=number, members=list(share.view.members), copies=copies)
        self.number, self.share = number, share
