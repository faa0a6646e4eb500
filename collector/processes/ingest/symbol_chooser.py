"""Chooses a feed's symbols from the exchange's newest list, at the start and whenever the list is renewed."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from collector.config import FeedConfig
from collector.domain.clock import Clock
from collector.domain.errors import ConfigError
from collector.domain.log import Log
from collector.domain.symbol_choice import (
    DOUBTED_SECS,
    Choice,
    Instrument,
    beside,
    choose,
    is_doubtful,
    lost,
    missing,
    with_awaited,
)
from collector.exchanges.adapter import Adapter, Subscription
from collector.storage.chosen_files import Watched, read_choice, write_choice
from collector.storage.instrument_files import instruments_file, read_instruments

NO_LIST = "the exchange's list of instruments is not there yet"
NO_MATCH = "no instrument of the exchange's list matches"
NO_VOLUMES = "the exchange's list has no instrument that trades and is not excluded, or does not tell what was traded"
LACKS_MOST = "the exchange's list lacks most of the symbols that are recorded: they are recorded on"
UNREADABLE = "the exchange's list of instruments cannot be read"


class _Doubt(NamedTuple):
    """Lists lack most of what is recorded."""

    since: float
    """By the monotonic clock."""
    recorded: tuple[str, ...]
    """What was recorded before: what joins meanwhile says nothing for the lists."""


class SymbolChooser:
    """Knows which symbols the feed should record. For the main thread."""

    def __init__(
        self,
        data_dir: Path,
        feed: FeedConfig,
        adapter: Adapter,
        clock: Clock,
        log: Log,
        *,
        recorded: tuple[str, ...] = (),
    ) -> None:
        """`recorded` are symbols that an earlier configuration chose: what is still wanted of them stays until there is a list."""
        self._data_dir = data_dir
        self._feed = feed
        self._adapter = adapter
        self._clock = clock
        self._log = log
        self._list = Watched(instruments_file(data_dir, feed.exchange))
        self._refused: frozenset[str] = frozenset()
        self._doubt: _Doubt | None = None
        self._missing: frozenset[str] = frozenset()
        """Recorded symbols that the last list did not have: they leave if the next one has not, either."""
        self._choice = self._last_choice(recorded)
        self._is_saved = not recorded
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
            self.trouble = UNREADABLE
            self._log.warning("list_unreadable", exchange=self._feed.exchange)
            return
        listed = [Instrument(each.symbol, each.is_trading, each.volume) for each in found.instruments]
        absent = missing(listed, self._choice.symbols)
        awaited = with_awaited(listed, absent - self._missing)
        choice = choose(self._feed.wanted, awaited, self._choice, self._clock.now_us())
        if choice is None:
            self.trouble = NO_VOLUMES
            return
        self._missing = absent
        doubted = self._is_doubted(listed)
        if doubted:
            choice = beside(self._feed.wanted, choice, self._choice)
        self._choice = choice._replace(symbols=self._accepted(choice.symbols))
        self._is_saved = False
        self.trouble = LACKS_MOST if doubted else "" if self._choice.symbols else NO_MATCH

    def _is_doubted(self, listed: Sequence[Instrument]) -> bool:
        """Whether the list lacks most of what is recorded, and lists have not said so for long."""
        recorded = self._choice.symbols if self._doubt is None else self._doubt.recorded
        gone = lost(self._feed.wanted, listed, recorded)
        if not is_doubtful(self._feed.wanted, gone, recorded):
            self._doubt = None
            return False
        if self._doubt is None:
            self._doubt = _Doubt(self._clock.monotonic(), recorded)
            self._log.warning("list_doubted", lacks=len(gone), symbols=sorted(gone)[:10], recorded=len(recorded))
        return self._clock.monotonic() - self._doubt.since < DOUBTED_SECS

    def _last_choice(self, recorded: tuple[str, ...]) -> Choice:
        """What was chosen or recorded last, as far as it is wanted by now, and every exact symbol."""
        wanted, last = self._feed.wanted, read_choice(self._data_dir, self._feed.name) or Choice()
        still = self._accepted(tuple(symbol for symbol in (*last.symbols, *recorded) if wanted.may_bring(symbol)))
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
