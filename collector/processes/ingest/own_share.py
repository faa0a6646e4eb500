"""What of its feed's symbols an edge is to record, where several edges share them out."""

from collector.config import Config
from collector.domain.sharing import Share
from collector.storage.chosen_files import Watched
from collector.storage.share_files import read_share, share_file

ELSEWHERE = "other edges record all its symbols"


class OwnShare:
    """Follows the share of this edge; any other host, and an edge that was given none yet, records everything."""

    def __init__(self, config: Config, feed: str) -> None:
        self._data_dir = config.data_dir
        self._edge = config.host_name
        self._feed = feed
        self._file = Watched(share_file(config.data_dir)) if config.role == "edge" else None
        self._share: Share | None = None
        self.number = 0
        """The number of the share; 0 while there is none."""
        self._known: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def look(self) -> None:
        """Look for a newer share. One that cannot be read, or that is of another edge, changes nothing."""
        if self._file is None or not self._file.has_changed():
            return
        found = read_share(self._data_dir)
        if found is not None and found.share.edge == self._edge:
            self._share, self.number = found.share, found.number
            self._known = ((), ())

    def of(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Those of these symbols that are to be recorded here; the same object until something changes."""
        if self._share is None:
            return symbols
        if symbols != self._known[0]:
            self._known = symbols, self._share.of(self._feed, symbols)
        return self._known[1]
