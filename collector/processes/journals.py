"""Opens the journals that ingest, repair and relay append to."""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.domain.repair_protocol import rest_journal
from collector.processes.feed_symbols import FeedSymbols
from collector.storage.journal.files import next_number
from collector.storage.journal.format import FeedIdentity, JournalHeader
from collector.storage.journal.relayed import Source
from collector.storage.journal.writer import JournalWriter


def open_journal(
    config: Config,
    feed: FeedConfig,
    now_ns: Callable[[], int],
    symbols: tuple[str, ...] | None = None,
    other: JournalHeader | None = None,
) -> JournalWriter:
    """Open a new journal for one incarnation, with a number above all earlier ones. Raises OSError.

    `symbols` are what the feed records, by default what its configuration names; with the journal of an `other`
    incarnation, which runs beside this one, the same as there.
    """
    folder = journal_folder(config, feed.name)
    known = feed.wanted.exact if symbols is None else symbols
    identity = FeedIdentity(feed.name, feed.exchange, known, tuple(feed.data_types))
    first = next_number(folder, config.data_dir / "segments" / "positions.json", feed.name)
    file_bytes = config.journal.file_bytes
    if other is not None:
        return JournalWriter(folder, other.identity, first, file_bytes, now_ns, continues=other.writer_id)
    return JournalWriter(folder, identity, first, file_bytes, now_ns)


def open_rest_journal(config: Config, feed: FeedConfig, now_ns: Callable[[], int]) -> JournalWriter:
    """Open the journal for what repair fetches for that feed; as `open_journal`."""
    symbols = FeedSymbols(config.data_dir, feed).now()
    return open_journal(config, replace(feed, name=rest_journal(feed.name)), now_ns, symbols)


def open_relay_journal(
    config: Config, feed: FeedConfig, now_ns: Callable[[], int], sources: Callable[[], Sequence[Source]]
) -> JournalWriter:
    """Open the journal for what edges send of that feed; as `open_journal`. Which streams there are, the edges' files say."""
    folder = journal_folder(config, feed.name)
    first = next_number(folder, config.data_dir / "segments" / "positions.json", feed.name)
    identity = FeedIdentity(feed.name, feed.exchange, (), ())
    return JournalWriter(folder, identity, first, config.journal.file_bytes, now_ns, sources=sources)


def journal_folder(config: Config, name: str) -> Path:
    """The folder of a journal's files."""
    return config.data_dir / "journal" / name
