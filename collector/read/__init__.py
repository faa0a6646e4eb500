"""Reads the archive: rows, gaps, books, in one line each.

    import collector.read

    archive = collector.read.open("data/archive", data_dir="data")
    archive.streams()
    archive.trades("BTCUSDT", "2026-11-23T12:00", "2026-11-23T13:00").arrow()

docs/READING.md has an example of each. What is imported here is imported by every process that reads a gap ledger, so
Arrow comes only once an archive is opened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from collector.read.errors import GapError, MissingExtraError, QuestionError

if TYPE_CHECKING:
    from collector.read.archive import Archive
    from collector.read.window import Moment

__all__ = ["GapError", "MissingExtraError", "QuestionError", "open"]


def open(  # noqa: A001 -- the name that outsiders were promised
    archive: str | Path = "data/archive",
    *,
    data_dir: str | Path | None = None,
    config: str | Path | None = None,
    storage: Mapping[str, str] | None = None,
    asof: "Moment | None" = None,
    daily: str | Path | None = None,
) -> "Archive":
    """Open an archive: a folder, `file:///folder` or `s3://bucket/prefix`. Nothing is read yet.

    With `data_dir`, a recorder's folder, what is not archived yet belongs to it: staged sets, sealed segments and the open
    one, up to the last commit. An archive that is not named is then the one in that folder, if there is one. `config` is a
    recorder's configuration, which says how to reach a bucket; it also names archive and data directory, unless they are
    given. `storage` says how to reach a bucket, too: `region`, `endpoint_url`, `addressing`. Credentials come from where
    boto3 looks for them. `asof` reads the archive as it was then: of what was sealed by that time, and known of gaps.

    Day files are read in the place of what they replace: those of `daily`, by default those that `collector compact` puts beside
    the archive; `daily=""` reads none.

    Raises QuestionError for what is no archive, ConfigError for a configuration that cannot be used.
    """
    from collector.read.opening import open_archive  # noqa: PLC0415 -- see above

    return open_archive(archive, data_dir, config, storage, asof, daily)
