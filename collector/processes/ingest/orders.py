"""What a feed is to record: by the newest configuration and, for patterns, by the exchange's newest list."""

from collector.config import Config, FeedConfig
from collector.exchanges.adapter import Adapter, Subscription
from collector.processes.context import Context
from collector.processes.ingest.newest_config import NewestConfig
from collector.processes.ingest.symbol_chooser import SymbolChooser


class Orders:
    """Follows both while the process runs. For the main thread."""

    def __init__(self, context: Context, feed: FeedConfig, adapter: Adapter) -> None:
        self._context = context
        self._adapter = adapter
        self._newest = NewestConfig(context, feed, adapter)
        self._newest.look()
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
        """Their symbols; none while there is no list to choose from."""
        return self.feed.symbols if self._chooser is None else self._chooser.symbols

    @property
    def trouble(self) -> str:
        """Why symbols cannot be chosen; empty while they can."""
        return "" if self._chooser is None else self._chooser.trouble

    def look(self) -> None:
        """Look for a newer configuration and a newer list.

        A configuration that names other symbols is followed as far as the list says by now; what is recorded and still wanted stays.
        """
        before, recorded = self.feed, self.symbols
        self._newest.look()
        if self.feed.wanted != before.wanted:
            self._chooser = self._chooser_beside(recorded)
        elif self._chooser is not None:
            self._chooser.look()

    def save(self) -> None:
        """The symbols are recorded: tell the other processes, if they were chosen."""
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
