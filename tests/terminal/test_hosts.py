"""What a terminal shows on a host that is one of several."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from collector.monitoring import status_json
from collector.terminal.closing import closing_lines
from collector.terminal.heading import About
from collector.terminal.hosts import MOST_HOSTS
from collector.terminal.screen import fitted, whole
from tests.supervision.made import (
    NOW_US,
    archiver,
    cluster,
    ingest,
    known_on,
    publish,
    relay,
    reports,
    shown_host,
    status,
    tabler,
    writer,
)
from tests.terminal.statuses import make_status

NOW = datetime.fromtimestamp(NOW_US / 1e6, UTC)
GONE = shown_host(host="edge-2", seen_secs=44.0, is_alive=False)
BEHIND = shown_host(host="edge-3", healthy=False, reasons=[["publish_behind", "x"]], lag_secs=80.0, lag_bytes=4 << 20)


def of_storage(*hosts: dict[str, Any]) -> dict[str, Any]:
    told = reports(relay(), writer(), archiver(), cluster(hosts=list(hosts)), tabler())
    return status_json.status(status("storage").look(told, known_on("storage")))


def of_edge(*hosts: dict[str, Any]) -> dict[str, Any]:
    told = reports(ingest(), publish(), cluster(hosts=list(hosts)))
    return status_json.status(status("edge").look(told, known_on("edge")))


def printed(shown: dict[str, Any]) -> list[str]:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(whole(shown, NOW, console))
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


@pytest.mark.parametrize("of_host", [of_storage, of_edge])
def test_every_host_shows_itself_and_all_others_those_in_trouble_first(of_host: Any) -> None:
    lines = printed(of_host(shown_host(), GONE, BEHIND))
    header = lines.index("host role health lag data seen")
    assert lines[header + 1].split()[0] == "box"
    assert lines[header + 1].endswith("this host")
    assert lines[header + 2 : header + 5] == [
        "edge-2 edge gone - - 44.0 s ago",
        "edge-3 edge publish_behind 80.0 s 4.0 MiB 700 ms ago",
        "edge-1 edge healthy 500 ms 30 B 700 ms ago",
    ]


def test_of_many_hosts_the_first_are_shown_and_the_others_counted() -> None:
    lines = printed(of_storage(*(shown_host(host=f"edge-{number}") for number in range(MOST_HOSTS + 1))))
    assert "and 2 more hosts" in lines


def test_a_storage_host_shows_what_came_of_each_edge() -> None:
    lines = printed(of_storage(shown_host()))
    assert lines[1].startswith("box (storage) up ")
    assert "nats edge-1 binance ░░░░░░░░░░ 2 slices 512 B 1.0 s" in lines
    assert "feed binance data 1.0 s ago" in lines
    assert "relay binance connected, 8 slices, 2 holes, 3 late, 4 lost" in lines
    assert "symbols on 2 edges each, 1 edges" in lines
    assert "tables 5 commits, 4 segments, 0 waiting" in lines


def test_an_edge_shows_what_it_publishes_and_nothing_of_writer_archive_and_streams() -> None:
    lines = printed(of_edge(shown_host()))
    assert "feed binance 1 of 1 lines open, 2 reconnects, data 1.0 s ago" in lines
    assert "publish binance connected, 1 rewinds, 2 failed tries" in lines
    assert "journal binance ░░░░░░░░░░ 100 B 250 ms 1" in lines
    assert "published 800 B -" in lines
    for word in ("writer", "batch", "segments", "archiver", "archive", "stream"):
        assert not [line for line in lines if line.split()[:1] == [word]], word


@pytest.mark.parametrize("of_host", [of_storage, of_edge])
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 36), (160, 60), (40, 12)])
def test_the_live_view_fills_its_size_and_names_hosts_in_trouble(of_host: Any, columns: int, lines: int) -> None:
    console = Console(width=columns, height=lines, record=True, file=io.StringIO(), force_terminal=True)
    console.print(fitted(of_host(shown_host(), GONE), NOW, console, {}, About()))
    frame = console.export_text().splitlines()
    assert max(len(line.rstrip()) for line in frame) <= columns
    if lines >= 24:
        assert len(frame) == lines
        assert "edge-2" in "\n".join(frame)


def test_a_recorder_alone_shows_no_hosts_nor_does_one_of_a_version_without_roles() -> None:
    alone = make_status()
    older = {
        key: part
        for key, part in alone.items()
        if key not in {"role", "publish", "relays", "edges", "cluster", "tables"}
    }
    for shown in (alone, older):
        assert not [line for line in printed(shown) if line.startswith("host ")]


def test_an_edge_that_ends_says_what_storage_does_not_have_yet() -> None:
    said = closing_lines(of_edge(), 0, Path("data"), Path("log"))
    assert said[1] == "Received 9 frames; 100 B in the journal wait for the next start."
    shown = of_edge()
    shown["journals"][0]["lag_bytes"] = 0
    assert closing_lines(shown, 0, Path("data"), Path("log"))[1] == "Received 9 frames; storage has all of it."


def test_names_of_other_hosts_steer_no_terminal() -> None:
    evil = "e\x1b]0;owned\x07[red]d"
    shown = of_storage(shown_host(host=evil, healthy=False, reasons=[[evil, ""]]))
    shown["edges"] = [{**shown["edges"][0], "edge": evil}]
    assert "\x1b" not in "".join(printed(shown))
