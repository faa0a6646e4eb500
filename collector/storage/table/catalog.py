"""Opens the catalog that knows where each table's present metadata stand."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import ValidationError

from collector.domain.errors import CollectorError, StoreError
from collector.storage.table.data_files import location_of
from collector.storage.table.options import TableOptions

NAME: Final = "collector"
"""The catalog's name. PYICEBERG_CATALOG__COLLECTOR__* in the environment are further properties of it, such as a token."""

_KEYS: Final = {"s3.access-key-id": "AWS_ACCESS_KEY", "s3.secret-access-key": "AWS_SECRET_KEY"}
"""Short names of credentials; all others are found by Arrow itself."""

_DAMAGES: Final = (ValueError, FileNotFoundError, ValidationError)
"""What pyiceberg raises for a file of a table that is gone, or is not what it should be."""

_MOST_SAID: Final = 300
"""Characters of an error: some quote a whole table."""


def open_catalog(options: TableOptions) -> Catalog:
    """The catalog. Raises StoreError if it cannot be reached."""
    with as_store_errors(f"table.catalog {options.catalog}"):
        return load_catalog(NAME, **_properties(options, os.environ))


@contextmanager
def as_store_errors(what: str) -> Iterator[None]:
    """Raise StoreError for whatever a catalog, a database, a bucket or a folder raises: it may be there again later."""
    try:
        yield
    except CollectorError:
        raise
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        # What is damaged stays so, unlike a server that does not answer.
        advice = "; if its metadata are damaged: collector tables --rebuild" if isinstance(error, _DAMAGES) else ""
        raise StoreError(f"{what}: {lines[0][:_MOST_SAID]}{advice}") from error


def _properties(options: TableOptions, environment: Mapping[str, str]) -> dict[str, str]:
    remote = options.catalog.removeprefix("rest+")
    found = {
        "type": "sql" if remote == options.catalog else "rest",
        "uri": remote,
        "warehouse": location_of(options.warehouse),
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
    }
    if options.warehouse.startswith("s3://"):
        found |= {name: environment[key] for name, key in _KEYS.items() if key in environment}
        found |= {"s3.region": options.region} if options.region else {}
        found |= (
            {"s3.endpoint": options.endpoint_url, "s3.region": options.region or "us-east-1"}
            if options.endpoint_url
            else {}
        )
    return found
