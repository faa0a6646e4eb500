"""Tables in an Iceberg REST catalog, a real one: committed, found by readers, and once though somebody comes first."""

import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyiceberg.utils.config import Config as EnvironmentConfig

from collector.storage.table.options import TableOptions
from collector.storage.table.tables import Tables
from tests.ports import keep_port, port_of
from tests.seaweed import ADMIN, NOTHING, Seaweed
from tests.storage.table.tabled import Tabled


@pytest.fixture
def catalog(tmp_path: Path, aws_alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Seaweed, str]]:
    """A server that has buckets and a catalog, and the catalog's address; its keys are in the environment."""
    for name, value in ADMIN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYICEBERG_CATALOG__COLLECTOR__CREDENTIAL", ":".join(ADMIN.values()))
    keeper: socket.socket = keep_port()
    tokens = f"http://127.0.0.1:{port_of(keeper)}/v1/oauth/tokens"
    monkeypatch.setenv("PYICEBERG_CATALOG__COLLECTOR__OAUTH2_SERVER_URI", tokens)
    # pyiceberg reads the environment once, as it is imported.
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", EnvironmentConfig())
    server = Seaweed(tmp_path / "seaweed", NOTHING, f"-s3.port.iceberg={port_of(keeper)}")
    try:
        yield server.start(), f"rest+http://127.0.0.1:{port_of(keeper)}"
    finally:
        server.remove()
        keeper.close()


def test_a_rest_catalog_keeps_tables_for_several_hosts(catalog: tuple[Seaweed, str], tmp_path: Path) -> None:
    server, url = catalog
    boto3.session.Session().client(
        "s3tables", endpoint_url=server.endpoint_url, region_name="us-east-1"
    ).create_table_bucket(name="tables")
    bucket = server.new_bucket()
    options = TableOptions(url, "s3://tables", region="us-east-1", endpoint_url=server.endpoint_url)
    one, other = (_over(tmp_path, server, bucket, options, name) for name in ("one", "other"))
    one.segment(0)
    assert one.look()[:3] == (1, 0, 1)
    assert one.table().location() == "s3://tables/market_data/trade"
    one.segment(1)
    real, calls = one.tables.opened, count()

    def opened(data_type: str, archive: str) -> Any:
        table = real(data_type, archive)
        if next(calls) == 0:
            assert other.look().files == 1
        return table

    one.tables.opened = opened  # type: ignore[method-assign]
    assert one.look()[:3] == (0, 1, 0), "somebody came first"
    assert one.files() == one.wanted()
    assert one.rows().num_rows == 4


def _over(folder: Path, server: Seaweed, bucket: str, options: TableOptions, name: str) -> Tabled:
    found = Tabled(folder, server.store(bucket, "archive"), state=name)
    found.options, found.tables = options, Tables(options)
    found.work = found.new_work()
    return found
