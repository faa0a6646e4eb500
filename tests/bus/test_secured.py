"""Servers that want encryption and certificates, and a cluster of three."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.bus.bus import Bus, BusError
from collector.bus.link import open_link
from collector.domain.errors import ConfigError
from tests.bench.sending import Certificate, make_certificate
from tests.bus.credentials import Accounts
from tests.bus.servers import NatsCluster, NatsServer, bus_at, options_of, run, until

WANTED = """tls {{ cert_file: "{path}", key_file: "{key}", ca_file: "{path}", verify: true, timeout: 10 }}"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def secured(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    settings = WANTED.format(path=certificate.path, key=certificate.key)
    server = NatsServer(tmp_path_factory.mktemp("nats"), settings=settings)
    try:
        yield server.start()
    finally:
        server.remove()


def files(certificate: Certificate) -> dict[str, str]:
    return {
        "ca_file": str(certificate.path),
        "certificate_file": str(certificate.path),
        "key_file": str(certificate.key),
    }


def test_a_server_is_reached_with_its_authority_and_a_certificate_of_ones_own(
    secured: NatsServer, certificate: Certificate
) -> None:
    async def work() -> None:
        async with bus_at(secured.url.replace("nats:", "tls:"), **files(certificate)) as bus:
            await until(lambda: bus.is_connected)
            await bus.make_stream("edge", "secured")
            assert await (await bus.publish("edge", "secured", b"x")) == 1

    run(work())


def test_a_server_that_shows_no_known_certificate_is_refused(secured: NatsServer, certificate: Certificate) -> None:
    async def work() -> None:
        with pytest.raises(BusError, match="certificate"):
            await open_link(options_of(secured.url), secured.url, "test")

    run(work())


def test_a_server_without_encryption_is_refused_where_it_is_wanted(
    certificate: Certificate, nats_server: NatsServer
) -> None:
    async def work() -> None:
        with pytest.raises(BusError, match="no TLS"):
            await open_link(options_of(nats_server.url, **files(certificate)), nats_server.url, "test")

    run(work())


def test_certificate_files_that_cannot_be_used_are_an_error_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate", "utf-8")

    async def work() -> None:
        async with bus_at("nats://127.0.0.1:1", ca_file=str(tmp_path / "ca")) as bus:
            with pytest.raises(ConfigError, match="certificate files"):
                await until(bus.check)

    run(work())


def test_credentials_need_a_package_that_is_named(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)

    async def work() -> None:
        options = options_of(nats_server.url, credentials_file=str(tmp_path / "credentials"))
        with pytest.raises(ConfigError, match=r"nats-py\[nkeys\]"):
            await open_link(options, nats_server.url, "test")

    run(work())


def test_a_server_with_accounts_is_reached_with_credentials_and_with_no_others(tmp_path: Path) -> None:
    accounts = Accounts()
    server = NatsServer(tmp_path / "nats", settings=accounts.settings)
    good = str(accounts.write(tmp_path / "good.creds"))
    bad = str(Accounts().write(tmp_path / "bad.creds"))

    async def work() -> None:
        async with bus_at(server.url, credentials_file=good) as bus:
            await until(lambda: bus.is_connected)
            await bus.make_stream("edge", "feed")
            assert await (await bus.publish("edge", "feed", b"x")) == 1
        with pytest.raises(BusError, match=r"(?i)authorization|credentials"):
            await open_link(options_of(server.url, credentials_file=bad), server.url, "test")

    try:
        server.start()
        run(work())
    finally:
        server.remove()


async def store_all(bus: Bus, count: int) -> None:
    """Each message until it is confirmed; other than a publisher's they may be stored twice, or in another order."""
    for number in range(count):
        while True:
            try:
                await (await bus.publish("edge", "three", b"%d" % number))
                break
            except BusError:
                await asyncio.sleep(0.02)


def test_what_a_cluster_confirmed_survives_the_death_of_its_leader(tmp_path: Path) -> None:
    cluster = NatsCluster(tmp_path)

    async def work() -> None:
        async with bus_at(*cluster.urls, replicas=3) as bus:
            while True:
                try:
                    await bus.make_stream("edge", "three")
                    break
                except BusError:
                    await asyncio.sleep(0.05)
            await store_all(bus, 20)
            cluster.leader_of("J=edge=three").kill()
            await store_all(bus, 40)
            found: list[int] = []
            while set(found) != set(range(40)):
                try:
                    async for messages in bus.read("edge", "three", len(found) + 1):
                        found += [int(message.data) for message in messages]
                        if set(found) == set(range(40)):
                            break
                except BusError:
                    await asyncio.sleep(0.05)
            assert found[:20] == list(range(20))

    try:
        cluster.start()
        run(work())
    finally:
        cluster.remove()
