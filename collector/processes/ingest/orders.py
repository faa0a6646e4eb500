"""What a feed is to record: by the newest configuration, for patterns by the exchange's newest list, and on an edge by its share."""

from collector.config import Config, FeedConfig
from collector.exchanges.adapter import Adapter, Subscription
from collector.processes.context import Context
from collector.processes.ingest.newest_config import NewestConfig
from collector.processes.ingest.own_share import ELSEWHERE, OwnShare
from collector.processes.ingest.symbol_chooser import SymbolChooser


class Orders:
    """Follows all of them while the process runs. For the main thread."""

    def __init__(self, context: Context, feed: FeedConfig, adapter: Adapter) -> None:
        self._context = context
        self._adapter = adapter
        self._newest = NewestConfig(context, feed, adapter)
        self._newest.look()
        self._share = OwnShare(context.config, feed.name)
        self._share.look()
        self._chooser = self._chooser_beside(())
        """None for a feed that names all its symbols."""

    @property
    def config(self) -> Config:
        """The configuration to work by."""
        return self._newest.config

    @property
    def number(self) -> int:
        """The number of that configuration."""
        return self._newest.number

    @property
    def feed(self) -> FeedConfig:
        """The feed in that configuration."""
        return self._newest.feed

    @property
    def is_wanted(self) -> bool:
        """Whether the feed is to be recorded at all."""
        return self._newest.has_feed

    @property
    def subscription(self) -> Subscription:
        """The streams to record."""
        return Subscription(self.symbols, self.feed.data_types)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Their symbols; none while there is no list to choose from, or if other edges record them all."""
        return self._share.of(self._chosen)

    @property
    def _chosen(self) -> tuple[str, ...]:
        """The symbols of the feed, whoever records them."""
        return self.feed.symbols if self._chooser is None else self._chooser.symbols

    @property
    def share_number(self) -> int:
        """The number of this edge's share of the symbols; 0 if there is none."""
        return self._share.number

    def given_away(self) -> frozenset[str]:
        """The feed's symbols that other edges record."""
        return frozenset(self._chosen).difference(self.symbols)

    @property
    def trouble(self) -> str:
        """Why symbols cannot be chosen; empty while they can."""
        return "" if self._chooser is None else self._chooser.trouble

    @property
    def waits_for(self) -> str:
        """Why there is nothing to record."""
        return ELSEWHERE if self._chosen else self.trouble

    def look(self) -> None:
        """Look for a newer configuration, a newer list and a newer share.

        A configuration that names other symbols is followed as far as the list says by now; what is recorded and still wanted stays.
        """
        before, recorded = self.feed, self._chosen
        self._newest.look()
        self._share.look()
        if self.feed.wanted != before.wanted:
            self._chooser = self._chooser_beside(recorded)
        elif self._chooser is not None:
            self._chooser.look()

    def save(self) -> None:
        """The symbols are recorded: tell the other processes which the feed has, if they were chosen."""
        if self._chooser is not None:
            self._chooser.save()

    def _chooser_beside(self, recorded: tuple[str, ...]) -> SymbolChooser | None:
        if not self.feed.wanted.needs_list:
            return None
        context = self._context
        chooser = SymbolChooser(
            self.config.data_dir, self.feed, self._adapter, context.clock, context.log, recorded=recorded
        )
        chooser.look()
        return chooser
