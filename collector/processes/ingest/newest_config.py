"""The newest configuration that the ingest of a feed can work by, while it runs."""

import msgspec

from collector.config import Config, FeedConfig
from collector.config.handed_on import newest_number, read_config
from collector.domain.errors import ConfigError
from collector.exchanges.adapter import Adapter, Subscription
from collector.processes.context import Context


class NewestConfig:
    """Begins with the configuration that the process was started with. For the main thread."""

    def __init__(self, context: Context, feed: FeedConfig, adapter: Adapter) -> None:
        self._data_dir = context.config.data_dir
        self._log = context.log
        self._adapter = adapter
        self._refused: int | None = None
        """The number of the last one that could not be taken, or beyond which none could be looked for: said once."""
        self.config: Config = context.config
        self.number = context.config_number
        self.feed = feed
        self.has_feed = True
        """Whether the newest configuration that can be read has the feed."""

    def look(self) -> None:
        """Take up a newer configuration if there is one.

        One that cannot be read, or that no longer has the feed, changes nothing.
        """
        number = self.number
        try:
            number = newest_number(self._data_dir)
            if number <= self.number:
                return
            config = read_config(self._data_dir, number)
            self.has_feed = any(self._is_ours(feed) for feed in config.feed)
            self.feed = self._feed_in(config)
        except (OSError, msgspec.MsgspecError, ValueError, ConfigError) as error:
            self._refuse(number, error)
        else:
            self.config, self.number = config, number

    def _refuse(self, number: int, error: Exception) -> None:
        if number == self._refused:
            return
        self._refused = number
        if isinstance(error, ConfigError):
            # Whoever hands on a configuration without the feed also ends this process.
            self._log.warning("config_not_taken", number=number, error=str(error))
        else:
            self._log.error("config_not_taken", number=number, error=str(error))

    def _feed_in(self, config: Config) -> FeedConfig:
        feed = next((feed for feed in config.feed if self._is_ours(feed)), None)
        if feed is None:
            raise ConfigError([f"feed = {self.feed.name!a}: is not there for {self.feed.exchange}"])
        self._adapter.plan(Subscription(feed.wanted.exact, feed.data_types), feed.ws_url)
        return feed

    def _is_ours(self, feed: FeedConfig) -> bool:
        return (feed.name, feed.exchange) == (self.feed.name, self.feed.exchange)
