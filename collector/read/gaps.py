"""The gap ledger of an archive and of a recorder's segments, and how many messages the archive holds of each stream."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import DamagedError
from collector.domain.records import GAP, Gap, StreamKey
from collector.read.demo_mark import FILE_NAME, read_mark
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.restore import THREADS, read_manifests
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of

TIMES = ("started_at", "ended_at", "detected_at")
_QUERY = f"SELECT exchange, symbol, {', '.join(Gap._fields)} FROM gaps ORDER BY row"  # noqa: S608 (the ledger's own names)


class Noted(NamedTuple):
    """A row of the ledger and the stream's exchange and symbol, which stand beside it."""

    exchange: str
    symbol: str
    gap: Gap

    @property
    def stream(self) -> StreamKey:
        """Whose gap it is."""
        return StreamKey(self.exchange, self.symbol, self.gap.stream_type)


class Ledger:
    """The latest row of each gap, the objects of each stream, and what could not be read."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str], Noted] = {}
        self._objects: list[ManifestObject] = []
        self.unread: list[str] = []
        self.injected: frozenset[StreamKey] = frozenset()
        """Streams of which a demo's exchange leaves messages out on purpose."""

    def add(self, rows: Iterable[Noted]) -> None:
        """Take rows in; of two that were detected at the same time the one added later counts."""
        for noted in rows:
            key = noted.exchange, noted.symbol, noted.gap.gap_id
            known = self._latest.get(key)
            if known is None or noted.gap.detected_at >= known.gap.detected_at:
                self._latest[key] = noted

    def rows(self) -> list[Noted]:
        """Every gap once, the oldest first."""
        return sorted(self._latest.values(), key=lambda noted: (noted.gap.started_at, noted.gap.gap_id))

    def is_injected(self, noted: Noted) -> bool:
        """Whether a demo's exchange left out on purpose what is missing here."""
        gap = noted.gap
        return (gap.kind, gap.cause) == ("sequence", "exchange") and noted.stream in self.injected

    def note(self, manifest: Manifest) -> None:
        """Take in what the archive holds of a segment."""
        self._objects += [described for described in manifest.objects if described.received_max is not None]

    def messages(self, since: str, until: str) -> Counter[StreamKey]:
        """How many of each stream the archive holds in that time, rounded up to whole objects."""
        found = Counter[StreamKey]()
        for described in self._objects:
            if (described.received_max or "") >= since and (described.received_min or "") < until:
                found[StreamKey(described.exchange, described.symbol, described.data_type)] += described.rows
        return found


def read(store: ObjectStore | None, data_dir: Path | None) -> Ledger:
    """Read what an archive and a data directory hold. Raises StoreError for an archive that cannot be asked.

    The segments are looked at first: one that is archived and removed meanwhile is then found in the archive.
    """
    ledger, fresh = Ledger(), []
    _read_marks(ledger, store, data_dir)
    if data_dir is not None:
        for path in sorted((data_dir / "segments").glob("*.db")):
            if not path.name.endswith(".new.db"):
                fresh += _tried(ledger, str(path), lambda path=path: segment_rows(path))  # type: ignore[misc]
    if store is not None:
        _read_archive(ledger, store)
    ledger.add(fresh)
    return ledger


def segment_rows(path: Path) -> Iterator[Noted]:
    """The ledger of a segment; nothing where it was archived meanwhile. Raises sqlite3.Error."""
    is_open = path.name.endswith(".open.db")
    # Only a sealed segment may be called immutable: nobody writes it.
    options = "mode=ro" if is_open else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True)) as segment:
            found = segment.execute(_QUERY).fetchall()
    except sqlite3.OperationalError:
        if path.exists():
            raise
        sealed = path.with_name(path.name.replace(".open.db", ".db"))
        return segment_rows(sealed) if is_open and sealed.exists() else iter(())
    return (Noted(exchange, symbol, Gap(*columns)) for exchange, symbol, *columns in found)


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
    manifests = [manifest for _, manifest in read_manifests(store, ledger.unread) if manifest is not None]
    manifests.sort(key=lambda manifest: manifest.segment_id)
    for manifest in manifests:
        ledger.note(manifest)
    gaps = [described for manifest in manifests for described in manifest.objects if described.data_type == GAP]
    with tempfile.TemporaryDirectory(prefix="show-gaps-") as folder:

        def rows_of(numbered: tuple[int, ManifestObject]) -> list[Noted]:
            number, described = numbered
            return _tried(ledger, described.key, lambda: _object_rows(store, described, Path(folder, str(number))))

        for rows in in_order(rows_of, enumerate(gaps), THREADS):
            ledger.add(rows)


def _object_rows(store: ObjectStore, described: ManifestObject, path: Path) -> list[Noted]:
    """The ledger in an object of the archive. Raises OSError, ValueError, KeyError or ArrowException."""
    if store.fetch(described.key, path) is None:
        raise FileNotFoundError("it is not there")
    table = pq.ParquetFile(path).read(columns=list(Gap._fields))
    path.unlink()
    for name in TIMES:
        times = table.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        table = table.set_column(table.schema.get_field_index(name), name, times)
    return [Noted(described.exchange, described.symbol, Gap(**row)) for row in table.select(Gap._fields).to_pylist()]


def _tried(ledger: Ledger, name: str, reader: Callable[[], Iterable[Noted]]) -> list[Noted]:
    try:
        return list(reader())
    except (sqlite3.Error, pa.ArrowException, OSError, ValueError, KeyError) as error:
        ledger.unread.append(f"{name}: {error}")
        return []
