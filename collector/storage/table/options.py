"""Where tables are, without pyiceberg, for modules that only pass it on."""

from typing import NamedTuple


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
