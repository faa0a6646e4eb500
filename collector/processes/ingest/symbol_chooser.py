"""Chooses a feed's symbols from the exchange's newest list, at the start and whenever the list is renewed."""

from pathlib import Path

from collector.config import FeedConfig
from collector.domain.clock import Clock
from collector.domain.errors import ConfigError
from collector.domain.log import Log
from collector.domain.symbol_choice import Choice, Instrument, choose
from collector.exchanges.adapter import Adapter, Subscription
from collector.storage.chosen_files import Watched, read_choice, write_choice
from collector.storage.instrument_files import instruments_file, read_instruments

NO_LIST = "the exchange's list of instruments is not there yet"
NO_MATCH = "no instrument of the exchange's list matches"
NO_VOLUMES = "the exchange's list has no instrument that trades, or does not tell what was traded"


class SymbolChooser:
    """Knows which symbols the feed should record. For the main thread."""

    def __init__(self, data_dir: Path, feed: FeedConfig, adapter: Adapter, clock: Clock, log: Log) -> None:
        self._data_dir = data_dir
        self._feed = feed
        self._adapter = adapter
        self._clock = clock
        self._log = log
        self._list = Watched(instruments_file(data_dir, feed.exchange))
        self._refused: frozenset[str] = frozenset()
        self._choice = self._last_choice()
        self._is_saved = True
        self.trouble = NO_LIST
        """Why nothing can be chosen from the list; empty while something can."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols to record; of a feed that never had a list, those that are configured by name."""
        return self._choice.symbols

    def look(self) -> bool:
        """Choose again if there is a newer list; returns whether the symbols have changed."""
        if not self._list.has_changed():
            return False
        before = self._choice.symbols
        self._choose()
        return self._choice.symbols != before

    def save(self) -> None:
        """Tell the other processes which symbols are recorded now, if they do not know. If it fails, call again."""
        if self._is_saved:
            return
        try:
            write_choice(self._data_dir, self._feed.name, self._choice)
        except OSError as error:
            self._log.warning("choice_not_saved", error=str(error))
            return
        self._is_saved = True

    def _choose(self) -> None:
        found = read_instruments(self._data_dir, self._feed.exchange)
        if found is None:
            return
        listed = [Instrument(each.symbol, each.is_trading, each.volume) for each in found.instruments]
        choice = choose(self._feed.wanted, listed, self._choice, self._clock.now_us())
        if choice is None:
            self.trouble = NO_VOLUMES
            return
        self._choice = choice._replace(symbols=self._accepted(choice.symbols))
        self._is_saved = False
        self.trouble = "" if self._choice.symbols else NO_MATCH

    def _last_choice(self) -> Choice:
        """What was chosen last, as far as it is wanted by now, and every exact symbol."""
        wanted, last = self._feed.wanted, read_choice(self._data_dir, self._feed.name) or Choice()
        still = self._accepted(tuple(symbol for symbol in last.symbols if wanted.may_bring(symbol)))
        return last._replace(symbols=tuple(dict.fromkeys([*wanted.exact, *still])))

    def _accepted(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Without those that the adapter refuses: an exchange may list what it cannot spell in a subscription."""
        if not self._problems(symbols):
            return symbols
        refused = frozenset(symbol for symbol in symbols if self._problems((symbol,)))
        for symbol in sorted(refused - self._refused):
            self._log.warning("symbol_refused", symbol=symbol, error=self._problems((symbol,)))
        self._refused = refused
        return tuple(symbol for symbol in symbols if symbol not in refused)

    def _problems(self, symbols: tuple[str, ...]) -> str:
        try:
            self._adapter.plan(Subscription(symbols, ()), "")
        except ConfigError as error:
            return str(error)
        return ""
