"""Makes certificates: judges each day of each stream, and asks the store for every object that has rows of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from collector import __version__
from collector.certificates.certificate import FORMAT, Certificate, CertifiedGap, CertifiedObject, Found
from collector.domain.errors import DamagedError, StoreError
from collector.domain.names import DAY_US, date_of, gap_id, iso_time, time_us
from collector.domain.records import UNDECODED, Gap, StreamKey
from collector.read.condition import day_condition, extent
from collector.read.holdings import Holdings
from collector.read.ledger.gaps import TIMES, LedgerRow
from collector.read.ledger.unrepaired import reaches
from collector.read.manifests import THREADS, Entry, piece_of
from collector.read.pieces import ARCHIVED, Piece
from collector.read.window import Window
from collector.storage.archive.days import manifest_name
from collector.storage.archive.pruned import read_pruned
from collector.storage.archive.store_retry import retry_once
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectInfo, ObjectStore

_LOST: Final = frozenset({"missing", "differs"})


class Choice(NamedTuple):
    """Which streams are wanted; an empty set means all. Undecoded frames are no stream: they stand in the ledger."""

    exchanges: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    data_types: frozenset[str] = frozenset()

    def wants(self, stream: StreamKey) -> bool:
        """Whether the stream is one of them."""
        chosen = zip((self.exchanges, self.symbols, self.data_types), stream, strict=True)
        return stream.data_type != UNDECODED and all(not names or value in names for names, value in chosen)


class _Held(NamedTuple):
    """An object, and what the store has of it."""

    entry: Entry
    found: Found
    pruned_at: str | None


def certificates(
    holdings: Holdings, choice: Choice, when: Window, tick: Callable[[int], None]
) -> Iterator[Certificate]:
    """A certificate for each day that the window touches, by stream and date.

    An open start is the stream's first row, pruned ones included. An open end is its last one, but now for a window with a
    start: there a stream that ended is missing. Days are judged whole. `tick` is called after each stream, with the number of all. Raises StoreError, and DamagedError if a manifest or a record of what
    was pruned cannot be read: then nobody knows what is missing.
    """
    holdings.look()
    _require_sound(holdings)
    streams = sorted(filter(choice.wants, holdings.streams()))
    now_us = holdings.now_us
    for stream, gaps in holdings.concerned(streams):
        archived = holdings.archived(stream)
        _require_sound(holdings)
        local = [piece for piece in holdings.pieces(stream) if piece.place not in ARCHIVED]
        yield from _of_stream(holdings.store, stream, archived, local, gaps, when, now_us)
        tick(len(streams))


def _require_sound(holdings: Holdings) -> None:
    if problems := holdings.problems():
        raise DamagedError("\n".join(["what is missing cannot be told:", *problems, "collector verify says more"]))


def _of_stream(
    store: ObjectStore,
    stream: StreamKey,
    archived: list[tuple[Entry, str | None]],
    local: list[Piece],
    gaps: list[LedgerRow],
    when: Window,
    now_us: int,
) -> Iterator[Certificate]:
    days = _days([piece_of(entry) for entry, _ in archived], local, when, now_us)
    wanted = set(map(date_of, days))
    near = [one for one in archived if one[0].object.date in wanted]
    of_date: dict[str, list[_Held]] = defaultdict(list)
    for held in in_order(lambda one: _held(store, *one), near, THREADS):
        of_date[held.entry.object.date].append(held)
    lost = {held.entry.object.key for one in of_date.values() for held in one if held.found in _LOST}
    kept = [piece_of(entry) for entry, pruned_at in archived if pruned_at is None and entry.object.key not in lost]
    span = extent([*kept, *local])
    for day in days:
        here = sorted(of_date[date_of(day)], key=lambda held: held.entry.object.key)
        pieces = [piece_of(held.entry) for held in here if held.found == "whole"]
        known = [row for row in gaps if reaches(row, _window(day))] + [
            _loss(stream, held) for held in here if held.found in _LOST
        ]
        condition = day_condition(stream, [*pieces, *local], span, known, day, now_us)
        yield _certificate(condition, known, here, min(now_us, (day + 1) * DAY_US))


def _days(archived: Iterable[Piece], local: Iterable[Piece], when: Window, now_us: int) -> range:
    """The days that are certified, counted from the epoch."""
    touched = [time_us(f"{piece.date}T00:00:00Z") // DAY_US for piece in archived]
    for piece in local:
        touched += [time // DAY_US for time in (piece.received_min, piece.received_max) if time is not None]
    if not touched:
        return range(0)
    today = (now_us - 1) // DAY_US
    if when == Window():
        return range(min(touched), min(max(touched), today) + 1)
    first = min(touched) if when.since_us == 0 else when.since_us // DAY_US
    return range(first, min((when.until_us - 1) // DAY_US, today) + 1)


def _held(store: ObjectStore, entry: Entry, pruned_at: str | None) -> _Held:
    if pruned_at is not None:
        return _Held(entry, "pruned", pruned_at)
    one = entry.object
    found = found_in(store, one.key, one.bytes, one.sha256)
    if found == "missing" and (record := read_pruned(store, one.date)) is not None and one.key in record.times():
        raise StoreError(f"{one.key} was pruned just now: certify again")
    return _Held(entry, found, None)


def found_in(store: ObjectStore, key: str, size: int, sha256: str) -> Found:
    """What the store has under a key where an object of this size and checksum should be. Raises StoreError."""
    try:
        info = retry_once(store, lambda: store.head(key))
    except DamagedError:
        return "differs"
    if info is None:
        return "missing"
    return "whole" if info == ObjectInfo(size, sha256) else "differs"


def _loss(stream: StreamKey, held: _Held) -> LedgerRow:
    """A gap that no ledger has: an object that is not as its manifest says."""
    one = held.entry.object
    first, last = (
        time_us(one.received_min or f"{one.date}T00:00:00Z"),
        time_us(one.received_max or one.date + "T00:00:00Z"),
    )
    gap = Gap(
        gap_id=gap_id(stream, 0, "damaged", one.key, first),
        stream_type=stream.data_type,
        kind="damaged",
        cause="disk" if held.found == "differs" else "unknown",
        expected_id=None,
        actual_id=None,
        missing=one.rows,
        started_at=first,
        ended_at=last + 1,
        line=None,
        status="open",
        repaired_by=None,
        detected_at=last,
    )
    return LedgerRow(stream.exchange, stream.symbol, gap)


def _certificate(
    condition: Mapping[str, Any], gaps: list[LedgerRow], held: list[_Held], judged_until: int
) -> Certificate:
    lengths = {
        f"{name}_us": round(condition[f"{name}_secs"] * 1e6)
        for name in ("verified", "unverifiable", "broken", "absent")
    }
    return Certificate(
        format=FORMAT,
        collector_version=__version__,
        exchange=condition["exchange"],
        symbol=condition["symbol"],
        data_type=condition["data_type"],
        date=date_of(condition["date"]),
        state=condition["state"],
        judged_until=iso_time(judged_until),
        messages=sum(one.entry.object.rows for one in held if one.found == "whole"),
        **lengths,
        unrepaired_gaps=condition["gaps"],
        gaps=[_gap(row) for row in sorted(gaps, key=lambda row: (row.gap.started_at, row.gap.gap_id))],
        objects=list(map(_object, held)),
    )


def _gap(row: LedgerRow) -> CertifiedGap:
    fields = row.gap._asdict()
    for name in TIMES:
        fields[name] = None if fields[name] is None else iso_time(fields[name])
    return CertifiedGap(exchange=row.exchange, symbol=row.symbol, **fields)


def _object(held: _Held) -> CertifiedObject:
    one, segment = held.entry.object, held.entry.segment
    # A day file that had nothing to be changed keeps the id of the generation that it was made in.
    host, segment_id = manifest_name(one.key)
    return CertifiedObject(
        key=one.key,
        rows=one.rows,
        bytes=one.bytes,
        sha256=one.sha256,
        host=host,
        segment_id=segment_id,
        schema_version=segment.schema_version,
        collector_version=segment.collector_version,
        received_min=one.received_min,
        received_max=one.received_max,
        found=held.found,
        pruned_at=held.pruned_at,
    )


def _window(day: int) -> Window:
    return Window(day * DAY_US, (day + 1) * DAY_US)
