"""What a check says of real servers that lack something."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from collector.bus.check import Found, check_servers
from collector.bus.link import open_link
from tests.bus.servers import NatsCluster, NatsServer, bus_at, options_of, run, until
from tests.ports import keep_port, port_of
from tests.whole.running import wait_for

MIB = 1 << 20
NOBODY = "nats://127.0.0.1:1"


def checked(server: NatsServer, *feeds: str, **fields: object) -> Found:
    monitoring = port_of(server._keepers[1])
    return check_servers(options_of(server.url, **fields), "edge-1", feeds, 256 << 10, monitoring)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    made = NatsServer(tmp_path / "nats")
    yield made
    made.remove()


def test_a_server_that_has_all_is_named_and_keeps_no_stream_of_the_check(nats_server: NatsServer) -> None:
    found = checked(nats_server, "binance")
    assert (found.problems, found.warnings) == ([], [])
    (line,) = found.lines
    assert line.startswith(f"{nats_server.url}: nats-server 2.")
    assert line.endswith(", alone")
    assert nats_server.asked("jsz")["streams"] == 0


def test_a_server_that_cannot_be_reached_is_named_and_the_others_are_looked_at(nats_server: NatsServer) -> None:
    found = check_servers(options_of(nats_server.url, NOBODY), "edge-1")
    (problem,) = found.problems
    assert problem.startswith(f"nats.urls: {NOBODY}: ")
    assert found.lines[0].startswith(nats_server.url)


def test_more_copies_than_servers_are_told(nats_server: NatsServer) -> None:
    (problem,) = checked(nats_server, replicas=3).problems
    assert problem.startswith("nats.replicas = 3: a stream with so many copies is refused, 1 server is known: ")


def test_a_server_without_jetstream_is_told(server: NatsServer) -> None:
    server._configuration = lambda: f'listen: "127.0.0.1:{server.port}"'  # type: ignore[method-assign]
    server.start(wait=False)
    problems = [NOBODY]
    while not problems[0].endswith("its configuration needs a jetstream block"):
        problems = checked(server).problems
    assert problems == [f"nats.urls: {server.url} has no JetStream: its configuration needs a jetstream block"]


def test_too_little_room_for_the_streams_of_all_feeds_is_told(server: NatsServer) -> None:
    server.jetstream = "max_file_store: 400MB"
    server.start()
    assert checked(server, "a", "b", stream_max_bytes=90 * MIB).problems == []
    (problem,) = checked(server, "a", "b", "c", stream_max_bytes=90 * MIB).problems
    assert problem == (
        "nats.stream_max_bytes: no room for 3 streams of 90 MiB and 3 buckets of 64 MiB: "
        "insufficient storage resources available"
    )
    assert server.asked("jsz")["streams"] == 0


def test_a_stream_that_cannot_grow_is_used_as_it_is_and_check_warns(server: NatsServer) -> None:
    server.jetstream = "max_file_store: 400MB"
    server.start()

    async def made(max_bytes: int) -> str:
        async with bus_at(server.url, stream_max_bytes=max_bytes) as bus:
            await until(lambda: bus.is_connected)
            why = await bus.make_stream("edge-1", "a")
            await (await bus.publish("edge-1", "a", b"slice"))
            return why

    assert run(made(90 * MIB)) == ""
    assert "insufficient storage" in run(made(900 * MIB))
    (warning,) = checked(server, "a", stream_max_bytes=900 * MIB).warnings
    assert warning.startswith(
        "nats.stream_max_bytes: no room to enlarge the streams that are there, which stay as they"
    )
    assert checked(server, "a", stream_max_bytes=120 * MIB).warnings == []


def test_a_foreign_stream_on_a_subject_of_this_host_is_named(server: NatsServer) -> None:
    server.start()

    async def make() -> None:
        link = await open_link(options_of(server.url), server.url, "test")
        await link.api("STREAM.CREATE.other", {"name": "other", "subjects": ["j.edge-1.>"], "storage": "file"})
        await link.close()

    run(make())
    (problem,) = checked(server, "a").problems
    assert problem == "nats.urls: the stream other has the subject j.edge-1.a: remove it"


def test_short_messages_are_a_warning_and_too_short_ones_a_problem(server: NatsServer) -> None:
    server.max_payload = "100KB"
    server.start()
    (warning,) = checked(server).warnings
    assert "100000 bytes" in warning or "102400 bytes" in warning
    server.stop()
    server.max_payload = "8KB"
    server.start()
    (problem,) = checked(server).problems
    assert problem.endswith("bytes at most: raise max_payload")


def test_whether_each_write_is_synced_is_told_where_it_can_be_seen(server: NatsServer) -> None:
    server.start()
    with keep_port() as closed:
        unseen = check_servers(options_of(server.url), "edge-1", monitoring_port=port_of(closed))
    assert "whether each write is synced cannot be seen from here" in unseen.lines[1]
    assert f" of {server.url}: " in unseen.lines[1]
    assert (unseen.warnings, unseen.problems) == ([], [])
    server.stop()
    text = server._configuration().replace("sync_interval: always", "sync_interval: 10s")
    server._configuration = lambda: text  # type: ignore[method-assign]
    server.start()
    (warning,) = checked(server).warnings
    assert warning.endswith("its jetstream block should have sync_interval: always")


def test_refused_credentials_are_one_line(server: NatsServer) -> None:
    server.settings = 'authorization { token: "planted" }'
    server.start()
    (problem,) = checked(server).problems
    assert problem == f"nats.urls: {server.url}: the credentials are refused: see nats.credentials_file"


def test_a_server_without_tls_is_told_if_that_is_wanted(nats_server: NatsServer) -> None:
    url = f"tls://127.0.0.1:{urlsplit(nats_server.url).port}"
    (problem,) = check_servers(options_of(url), "edge-1").problems
    assert problem == f"nats.urls: {url}: the server offers no TLS"


def test_servers_of_a_cluster_have_room_for_as_many_copies(tmp_path: Path, nats_server: NatsServer) -> None:
    cluster = NatsCluster(tmp_path)
    try:
        cluster.start()
        found = check_servers(options_of(*cluster.urls, replicas=3), "edge-1", ["binance"])
        assert found.problems == []
        assert [line.partition(", ")[2] for line in found.lines[:-1]] == ["cluster C"] * 3
        refused = "nats.replicas = 5: a stream with so many copies is refused, 3 servers are known: "

        def is_refused() -> bool:
            (problem,) = check_servers(options_of(cluster.urls[0], replicas=5), "edge-1").problems
            return problem.startswith(refused)

        wait_for(is_refused)  # a server hears of the others some time after it is ready
        apart = check_servers(options_of(cluster.urls[0], nats_server.url), "edge-1").problems
        assert apart == [f"nats.urls: the servers are not of one cluster: C, {nats_server.url}"]
    finally:
        cluster.remove()
