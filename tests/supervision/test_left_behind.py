"""Whoever wants to remove a stopped edge can see whether storage has all that it received."""

from pathlib import Path

from msgspec.structs import replace

from collector.bus.names import PLACES, place_key
from collector.bus.places import EdgePlace, FilePlace, encode_place
from collector.config import Config, FeedConfig
from collector.config.model import NatsConfig
from collector.domain.log import Log
from collector.processes.journals import journal_folder
from collector.processes.publish.left_behind import lacking_at_most
from collector.processes.publish.own_files import OwnFiles
from collector.reports import PublishReport
from collector.supervision import host_check
from tests.bus.servers import NatsServer, bus_at, run, until
from tests.processes.relay.edge_journal import FEED, EdgeJournal
from tests.storage.segment.segment_files import TRADES, make_segment, message, trade


def edge_with_journal(folder: Path, url: str = "nats://127.0.0.1:1") -> tuple[Config, EdgeJournal]:
    config = Config(
        role="edge", host_name="edge-1", data_dir=folder, feed=(FeedConfig(name=FEED, exchange="binance"),),
        nats=NatsConfig(urls=(url,), replicas=1),
    )  # fmt: skip
    of_feed = journal_folder(config, FEED)
    journal = EdgeJournal(of_feed.parent, FEED)
    journal.record(1_000, 60)
    journal.close()
    (of_feed / "epoch").write_text("0123456789abcdef\n", "ascii")
    return config, journal


def told(config: Config, *, up_to: int | None = None) -> EdgePlace:
    """The place of a storage that has all files, or those below a number."""
    files = OwnFiles(journal_folder(config, FEED), FEED, Log(lambda _level, _fields: None)).look()
    known = [file for file in files if up_to is None or file.number < up_to]
    return EdgePlace(
        "0123456789abcdef", tuple(FilePlace(file.file_id, file.number, file.size, ended=True) for file in known)
    )


def test_check_says_on_a_stopped_edge_whether_storage_has_all_of_it(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    try:
        config, _ = edge_with_journal(tmp_path / "edge", server.start().url)

        def line_where(place: EdgePlace | None) -> str:
            async def work() -> None:
                async with bus_at(server.url) as bus:
                    await until(lambda: bus.is_connected)
                    await bus.make_bucket(PLACES)
                    if place is not None:
                        await bus.put(PLACES, place_key("edge-1", FEED), encode_place(place))

            run(work())
            (line,) = host_check.left_lines(config, host_check.ask(config))
            return line

        sizes = [path.stat().st_size for path in sorted(journal_folder(config, FEED).glob("*.journal"))]
        assert line_where(None) == f"journal   f: storage lacks {sum(sizes):,} bytes of what this host received"
        partly = line_where(told(config, up_to=3))
        assert partly == f"journal   f: storage lacks {sum(sizes[2:]):,} bytes of what this host received"
        assert line_where(told(config)) == "journal   f: storage has all of what this host received"
        other = EdgePlace("another", told(config).files)
        assert "storage lacks" in line_where(other)
    finally:
        server.remove()


def test_what_came_since_the_last_report_counts_as_lacking(tmp_path: Path) -> None:
    config, _ = edge_with_journal(tmp_path)
    held = sum(path.stat().st_size for path in journal_folder(config, FEED).glob("*.journal"))
    assert lacking_at_most(config, FEED, None) == held
    never_told = PublishReport(feed=FEED, lag_bytes=5, journal_bytes=held)
    assert lacking_at_most(config, FEED, never_told) == held
    assert lacking_at_most(config, FEED, PublishReport(feed=FEED, place_us=1, lag_bytes=5, journal_bytes=held)) == 5
    before = PublishReport(feed=FEED, place_us=1, lag_bytes=5, journal_bytes=held - 100)
    assert lacking_at_most(config, FEED, before) == 105


def test_segments_of_a_host_that_became_an_edge_are_told(tmp_path: Path) -> None:
    config, _ = edge_with_journal(tmp_path)
    assert host_check.segments_left(config) == ""
    make_segment(tmp_path / "segments", [TRADES], [message(0, 1, trade(1))], segment_id="20261123T120000Z-4f2a9c")
    assert host_check.segments_left(config).startswith(f"{tmp_path} holds 1 segments that are not in the archive")
    assert host_check.segments_left(replace(config, role="all")) == ""
