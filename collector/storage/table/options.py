"""Where tables are, without pyiceberg, for modules that only pass it on."""

import importlib.util
from typing import Final, NamedTuple

from collector.domain.errors import ConfigError

NEEDS: Final = 'table.catalog: needs pyiceberg: pip install "market-data-collector[iceberg]"'


class TableOptions(NamedTuple):
    """Where the tables' metadata and their catalog are, and how a bucket is reached."""

    catalog: str
    """sqlite:////path of a file, or rest+http(s)://host: an Iceberg REST catalog."""
    warehouse: str
    """The URL below which each table has its folder."""
    namespace: str = "market_data"
    snapshot_days: int = 1
    """How long a table can be read as it was, and until files that nothing needs any more are removed."""
    region: str = ""
    endpoint_url: str = ""


def lacks_pyiceberg() -> bool:
    """Whether the extra that tables need is not installed. Nothing is imported."""
    return importlib.util.find_spec("pyiceberg") is None


def require_pyiceberg() -> None:
    """Raise ConfigError with the command that installs it."""
    if lacks_pyiceberg():
        raise ConfigError([NEEDS])
