"""Reads the gap ledger from an archive and a recorder's segments, and counts the archived messages of each stream."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import CollectorError, DamagedError
from collector.domain.records import GAP, Gap, StreamKey
from collector.read.demo_mark import FILE_NAME, read_mark
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.restore import THREADS, read_manifests
from collector.storage.ordered_map import in_order
from collector.storage.staging import staged_set
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.staged_set import set_folders
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of

TIMES = ("started_at", "ended_at", "detected_at")
_QUERY = f"SELECT exchange, symbol, {', '.join(Gap._fields)} FROM gaps ORDER BY row"  # noqa: S608 (column names only)


class LedgerRow(NamedTuple):
    """A row of the gap ledger, with the exchange and symbol of its stream."""

    exchange: str
    symbol: str
    gap: Gap

    @property
    def stream(self) -> StreamKey:
        """The stream that has the gap."""
        return StreamKey(self.exchange, self.symbol, self.gap.stream_type)


class Ledger:
    """The latest row of each gap, the archive's objects, and the files that could not be read."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str], LedgerRow] = {}
        self._objects: list[ManifestObject] = []
        self.unread: list[str] = []
        self._unread_symbols: set[tuple[str, str]] = set()
        self._may_lack_any = False
        self.symbols: set[str] = set()
        """Symbols that were recorded, with or without a gap."""
        self.injected: frozenset[StreamKey] = frozenset()
        """Streams of which a demo's exchange leaves messages out on purpose."""

    def add(self, rows: Iterable[LedgerRow]) -> None:
        """Add rows; of two rows of a gap that were detected at the same time, the one added later counts."""
        for row in rows:
            key = row.exchange, row.symbol, row.gap.gap_id
            known = self._latest.get(key)
            if known is None or row.gap.detected_at >= known.gap.detected_at:
                self._latest[key] = row

    def rows(self) -> list[LedgerRow]:
        """The latest row of each gap, by start."""
        return sorted(self._latest.values(), key=lambda row: (row.gap.started_at, row.gap.gap_id))

    def is_injected(self, row: LedgerRow) -> bool:
        """Whether a demo's exchange left out on purpose what is missing here."""
        gap = row.gap
        return (gap.kind, gap.cause) == ("sequence", "exchange") and row.stream in self.injected

    def miss(self, problem: str, of: ManifestObject | None) -> None:
        """Note a file that cannot be read: the gaps of an object's exchange and symbol, or those of any stream."""
        self.unread.append(problem)
        if of is None:
            self._may_lack_any = True
        else:
            self._unread_symbols.add((of.exchange, of.symbol))

    def may_lack(self, stream: StreamKey) -> bool:
        """Whether a file that may name gaps of the stream could not be read."""
        return self._may_lack_any or (stream.exchange, stream.symbol) in self._unread_symbols

    def add_manifest(self, manifest: Manifest) -> None:
        """Add the objects of an archived segment."""
        self.symbols.update(entry.symbol for entry in manifest.objects)
        self._objects += [entry for entry in manifest.objects if entry.received_max is not None]

    def messages(self, since: str, until: str) -> Counter[StreamKey]:
        """How many messages of each stream the archive has in this period; objects that overlap it count whole."""
        found = Counter[StreamKey]()
        for entry in self._objects:
            if (entry.received_max or "") >= since and (entry.received_min or "") < until:
                found[StreamKey(entry.exchange, entry.symbol, entry.data_type)] += entry.rows
        return found


def read(store: ObjectStore | None, data_dir: Path | None) -> Ledger:
    """Read the gap ledger of an archive and a data directory. Raises StoreError if the archive cannot be reached.

    Segments are read first, then sets: one that is archived and removed meanwhile is then found in the archive.
    """
    ledger, fresh = Ledger(), []
    _read_marks(ledger, store, data_dir)
    if data_dir is not None:
        for path in sorted((data_dir / "segments").glob("*.db")):
            if not path.name.endswith(".new.db"):
                fresh += _segment(ledger, path)
        for folder in set_folders(data_dir / "staging"):
            fresh += _set(ledger, folder)
    if store is not None:
        _read_archive(ledger, store)
    ledger.add(fresh)
    return ledger


def segment_rows(path: Path) -> Iterator[LedgerRow]:
    """The ledger of a segment; empty if it was archived and removed meanwhile. Raises sqlite3.Error."""
    return (LedgerRow(exchange, symbol, Gap(*columns)) for exchange, symbol, *columns in _selected(path, _QUERY))


def segment_symbols(path: Path) -> set[str]:
    """The symbols of a segment; empty if it was archived and removed meanwhile. Raises sqlite3.Error."""
    return {symbol for (symbol,) in _selected(path, "SELECT DISTINCT symbol FROM streams")}


def _selected(path: Path, query: str) -> list[tuple[Any, ...]]:
    is_open = path.name.endswith(".open.db")
    # Only a sealed segment may be opened as immutable: nothing writes to it.
    options = "mode=ro" if is_open else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True)) as segment:
            return segment.execute(query).fetchall()
    except sqlite3.OperationalError:
        if path.exists():
            raise
        sealed = path.with_name(path.name.replace(".open.db", ".db"))
        return _selected(sealed, query) if is_open and sealed.exists() else []


def _read_marks(ledger: Ledger, store: ObjectStore | None, data_dir: Path | None) -> None:
    """A demo's mark is in its data directory, which is also the folder that its archive is in."""
    archive = None if store is None else folder_of(store.url)
    folders = {folder for folder in (data_dir, archive and archive.parent) if folder is not None}
    for folder in sorted(folders):
        try:
            ledger.injected |= read_mark(folder)
        except (DamagedError, OSError) as error:
            ledger.unread.append(f"{folder / FILE_NAME}: {error}")


def _read_archive(ledger: Ledger, store: ObjectStore) -> None:
    problems: list[str] = []
    manifests = [manifest for _, manifest in read_manifests(store, problems) if manifest is not None]
    for problem in problems:
        ledger.miss(problem, None)
    manifests.sort(key=lambda manifest: manifest.segment_id)
    for manifest in manifests:
        ledger.add_manifest(manifest)
    gaps = [entry for manifest in manifests for entry in manifest.objects if entry.data_type == GAP]
    with tempfile.TemporaryDirectory(prefix="show-gaps-") as folder:

        def rows_of(numbered: tuple[int, ManifestObject]) -> list[LedgerRow]:
            number, entry = numbered
            return _rows_or_none(
                ledger, entry.key, lambda: _object_rows(store, entry, Path(folder, str(number))), entry
            )

        for rows in in_order(rows_of, enumerate(gaps), THREADS):
            ledger.add(rows)


def _object_rows(store: ObjectStore, entry: ManifestObject, path: Path) -> list[LedgerRow]:
    """The rows in an archived object. Raises OSError, ValueError, KeyError or ArrowException."""
    if store.fetch(entry.key, path) is None:
        raise FileNotFoundError("it does not exist")
    found = file_rows(path, entry.exchange, entry.symbol)
    path.unlink()
    return found


def file_rows(path: Path, exchange: str, symbol: str) -> list[LedgerRow]:
    """The rows in the file of an archived object. Raises OSError, ValueError, KeyError or ArrowException."""
    with pq.ParquetFile(path) as file:
        table = file.read(columns=list(Gap._fields))
    for name in TIMES:
        times = table.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        table = table.set_column(table.schema.get_field_index(name), name, times)
    return [LedgerRow(exchange, symbol, Gap(**row)) for row in table.select(Gap._fields).to_pylist()]


def _segment(ledger: Ledger, path: Path) -> list[LedgerRow]:
    def rows() -> list[LedgerRow]:
        ledger.symbols |= segment_symbols(path)
        return list(segment_rows(path))

    return _rows_or_none(ledger, str(path), rows)


def _set(ledger: Ledger, folder: Path) -> list[LedgerRow]:
    """The ledger of a set that waits for its upload; nothing if it went to the archive meanwhile."""

    def rows() -> Iterator[LedgerRow]:
        for entry in staged_set.read_manifest(folder).objects:
            ledger.symbols.add(entry.symbol)
            if entry.data_type == GAP:
                yield from file_rows(folder / object_file_name(entry.key), entry.exchange, entry.symbol)

    try:
        return list(rows())
    except (CollectorError, pa.ArrowException, OSError, ValueError, KeyError) as error:
        if folder.exists():
            ledger.miss(f"{folder}: {error}", None)
        return []


def _rows_or_none(
    ledger: Ledger, name: str, reader: Callable[[], Iterable[LedgerRow]], of: ManifestObject | None = None
) -> list[LedgerRow]:
    try:
        return list(reader())
    except (sqlite3.Error, pa.ArrowException, OSError, ValueError, KeyError) as error:
        ledger.miss(f"{name}: {error}", of)
        return []
