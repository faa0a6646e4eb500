"""Opens the journals that ingest and repair append to."""

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.domain.repair_protocol import rest_journal
from collector.storage.journal.files import next_number
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter


def open_journal(config: Config, feed: FeedConfig, now_ns: Callable[[], int]) -> JournalWriter:
    """Open a new journal for one incarnation, with a number above all earlier ones. Raises OSError."""
    folder = journal_folder(config, feed.name)
    identity = FeedIdentity(feed.name, feed.exchange, tuple(feed.symbols), tuple(feed.data_types))
    first = next_number(folder, config.data_dir / "segments" / "positions.json", feed.name)
    return JournalWriter(folder, identity, first, config.journal.file_bytes, now_ns)


def open_rest_journal(config: Config, feed: FeedConfig, now_ns: Callable[[], int]) -> JournalWriter:
    """Open the journal for what repair fetches for that feed; as `open_journal`."""
    return open_journal(config, replace(feed, name=rest_journal(feed.name)), now_ns)


def journal_folder(config: Config, name: str) -> Path:
    """The folder of a journal's files."""
    return config.data_dir / "journal" / name
