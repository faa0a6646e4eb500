"""The symbols that a feed records now: configured by name, or as its ingest last chose them from the exchange's list."""

from pathlib import Path

from collector.config import FeedConfig
from collector.storage.chosen_files import Watched, chosen_file, read_choice


class FeedSymbols:
    """Follows one feed's symbols. For a feed of exact symbols it reads nothing."""

    def __init__(self, data_dir: Path, feed: FeedConfig) -> None:
        self._data_dir = data_dir
        self._feed = feed
        self._file = Watched(chosen_file(data_dir, feed.name)) if feed.wanted.needs_list else None
        self._symbols = feed.wanted.exact

    def now(self) -> tuple[str, ...]:
        """The symbols, always the same object until they change. Until the first choice only the exact ones are known."""
        if self._file is not None and self._file.has_changed():
            self._symbols = self._chosen()
        return self._symbols

    def _chosen(self) -> tuple[str, ...]:
        choice = read_choice(self._data_dir, self._feed.name)
        return self._symbols if choice is None or choice.symbols == self._symbols else choice.symbols
