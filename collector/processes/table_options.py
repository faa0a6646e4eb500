"""How a configuration says where the archive's tables are."""

from collector.config import Config
from collector.storage.table.options import TableOptions


def table_options(config: Config) -> TableOptions:
    """Where they are, and how a bucket is reached: as the archive's is."""
    return TableOptions(
        catalog=config.table.catalog,
        warehouse=config.tables_url,
        namespace=config.table.namespace,
        snapshot_days=config.table.snapshot_days,
        region=config.archive.region,
        endpoint_url=config.archive.endpoint_url,
    )
