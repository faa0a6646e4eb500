"""Which journals the writer reads: each configured feed's, the one of what repair fetched for it, and all with files."""

from collections.abc import Collection
from pathlib import Path

from collector.config import Config
from collector.domain.records import UNKNOWN
from collector.domain.repair_protocol import feed_of_rest_journal, is_rest_journal, rest_journal
from collector.storage.journal.position import Position
from collector.storage.journal.reader import JournalReader


def open_readers(config: Config, repaired: Collection[str], positions: dict[str, Position]) -> dict[str, JournalReader]:
    """Open a reader for each journal, by name.

    `repaired` are the feeds that repair fetches for. `positions` says how far each file was read.
    """
    journals = config.data_dir / "journal"
    exchanges = {feed.name: feed.exchange for feed in config.feed}
    exchanges |= {rest_journal(name): exchange for name, exchange in exchanges.items()}

    return {
        name: JournalReader(journals / name, name, positions, exchanges.get(name, UNKNOWN))
        for name in _journal_names(config, repaired, journals)
    }


def _journal_names(config: Config, repaired: Collection[str], journals: Path) -> list[str]:
    present = [path.name for path in journals.iterdir() if path.is_dir()] if journals.is_dir() else []
    names = {*present, *map(rest_journal, repaired), *(feed.name for feed in config.feed)}
    # What repair fetched is read together with the feed's own journal, so the feed's journal is added too.
    return sorted(names | {feed_of_rest_journal(name) for name in names if is_rest_journal(name)})
