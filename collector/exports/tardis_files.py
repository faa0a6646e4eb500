"""The files of tardis.dev's format: gzipped CSV, one a day and data type."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.domain.errors import ConfigError
from collector.exports.asked import Asked
from collector.exports.day_files import DayFiles
from collector.exports.job import moved_text
from collector.exports.tardis import KINDS, file_name
from collector.read.ledger.gaps import LedgerRow


class CsvJob:
    """The files of one data type."""

    def __init__(self, asked: Asked, kind: str) -> None:
        self.name = kind
        self._asked = asked
        self._export = KINDS[kind].export(asked)
        self._rows = 0

    @property
    def gaps(self) -> list[LedgerRow]:
        """See Job."""
        return self._export.gaps()

    def write(self, folder: Path) -> Iterator[int]:
        """See Job."""
        days = DayFiles(lambda date: folder / file_name(self._asked, self.name, date), "local_timestamp")
        with days:
            for table in self._export.tables():
                if table.num_rows:
                    days.write(table)
                    yield table["local_timestamp"][-1].as_py()
        self._rows = days.rows

    def said(self) -> str:
        """See Job."""
        return f"{self._rows} rows{moved_text(self._export.moved())}"


def jobs(asked: Asked, wanted: Sequence[str]) -> list[CsvJob]:
    """One for each data type that is wanted, or that there can be. Raises ConfigError for one that there cannot be."""
    possible = [kind for kind, has in KINDS.items() if asked.data_types & set(has.needs)]
    missing = [kind for kind in wanted if kind not in possible]
    if missing or not possible:
        had = ", ".join(sorted(asked.data_types))
        raise ConfigError([f"{', '.join(missing or KINDS)}: cannot be made of what there is of {asked.symbol}: {had}"])
    return [CsvJob(asked, kind) for kind in wanted or possible]
