"""What an archive of Binance lacks between the ids that it has, and what its gap ledger says of that."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.whole.accounts import gaps_of, rows_of
from tests.whole.running import Recorder


class Stream(NamedTuple):
    """Trades, which have an id each, or diffs, which cover several."""

    symbol: str
    data_type: str


class Hole(NamedTuple):
    """The first missing id, and the next one that is there."""

    first: int
    after: int

    def common(self, other: "Hole") -> int:
        """How many ids both have."""
        return max(0, min(self.after, other.after) - max(self.first, other.first))


class Told(NamedTuple):
    """A gap of the ledger: where it is, and how many ids of that are missing. Fewer than all where holes share a row."""

    where: Hole
    missing: int


def ids_stored(recorded: Recorder) -> dict[Stream, list[Hole]]:
    """The ids that each message of the archive covers, in order of ids. Fails where a message is there twice."""
    archive = recorded.data_dir / "archive"
    found: dict[Stream, list[Hole]] = {}
    for row in rows_of(archive, "trade"):
        covered = Hole(int(row["trade_id"]), int(row["trade_id"]) + 1)
        found.setdefault(Stream(row["symbol"], "trade"), []).append(covered)
    for row in rows_of(archive, "book_delta"):
        covered = Hole(row["first_id"], row["last_id"] + 1)
        found.setdefault(Stream(row["symbol"], "book_delta"), []).append(covered)
    assert found, "nothing is archived"
    twice = [(stream, of) for stream, covers in found.items() for of, count in Counter(covers).items() if count > 1]
    assert twice == []
    return {stream: sorted(covers) for stream, covers in found.items()}


def between(covers: Iterable[Hole]) -> list[Hole]:
    """The holes between what is covered, in order."""
    return [Hole(before.after, next_.first) for before, next_ in pairwise(covers) if next_.first > before.after]


def missing(recorded: Recorder) -> dict[Stream, list[Hole]]:
    """What the archive lacks: only streams that lack anything."""
    found = {stream: between(covers) for stream, covers in ids_stored(recorded).items()}
    return {stream: holes for stream, holes in found.items() if holes}


def told(recorded: Recorder) -> dict[Stream, list[Told]]:
    """What the ledger says is missing: what came late after all is not."""
    found: dict[Stream, list[Told]] = {}
    for row in gaps_of(recorded.data_dir / "archive"):
        if row["kind"] == "sequence" and row["status"] != "repaired":
            where = Hole(int(row["expected_id"]), int(row["actual_id"]))
            found.setdefault(Stream(row["symbol"], row["stream_type"]), []).append(Told(where, row["missing"]))
    return found


def differences(lacking: Mapping[Stream, Sequence[Hole]], ledger: Mapping[Stream, Sequence[Told]]) -> list[str]:
    """Where the ledger says something else than what is missing, one text for each; none if it is exact."""
    found = []
    for stream in sorted({*lacking, *ledger}):
        holes, rows = lacking.get(stream, ()), ledger.get(stream, ())
        there = [sum(map(row.where.common, holes)) for row in rows]
        found += [
            f"{stream}: {ids} ids, not as in {row}" for ids, row in zip(there, rows, strict=True) if ids != row.missing
        ]
        if (all_told := sum(row.missing for row in rows)) != count(holes):
            found.append(f"{stream}: {count(holes)} ids are missing, and the ledger has {all_told}")
    return found


def count(holes: Iterable[Hole]) -> int:
    """How many ids are missing."""
    return sum(hole.after - hole.first for hole in holes)


def require_exact_ledger(recorded: Recorder) -> None:
    """Fail unless the ledger says exactly what is missing."""
    assert differences(missing(recorded), told(recorded)) == []
