"""What the benchmark makes of its figures."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import page
from tests.bench.figures import Figures, Stored, durable_rate
from tests.bench.plot import BAR_WIDTH, picture
from tests.bench.report import Table, markdown, plain, tables
from tests.bench.results import MANY, PLAIN, TLS, Results, ratios, read_json, write_json
from tests.bench.targets import NAIVE, SINGLE, Target, targets, written_before_parquet

SEC = 1_000_000_000


def recorder_run(scale: float = 1.0) -> Figures:
    cpu_secs = {"supervisor": 0.1, "ingest:binance": 0.2, "writer": 0.3, "archiver": 0.4, "other": 0.0}
    sizes = dict.fromkeys(("supervisor", "ingest:binance", "writer", "archiver"), 50 << 20)
    return Figures(
        messages=100_000,
        payload_bytes=20_000_000,
        durable_per_sec=90_000,
        parquet_per_sec=70_000,
        startup_cpu_secs=dict.fromkeys(sizes, 0.5),
        durable_cpu_secs=cpu_secs | {"archiver": 0.0},
        cpu_secs={name: secs * scale for name, secs in cpu_secs.items()},
        rest_rss_bytes=sizes,
        peak_rss_bytes=sizes | {"archiver": 150_000_000},
        written_bytes={"supervisor": 10**12, "ingest:binance": 22_000_000, "writer": 6_000_000, "archiver": 3_000_000},
        segment_bytes=4_000_000,
        objects=6,
        parquet_bytes=2_000_000,
        updates=10_000,
        update_bytes=1_000_000,
        sender_cpu_secs=0.01,
    )


def peer_run(cpu_secs: float, durable_per_sec: float) -> Figures:
    return recorder_run()._replace(
        durable_per_sec=durable_per_sec,
        cpu_secs={"ingest": cpu_secs},
        durable_cpu_secs={"ingest": cpu_secs},
        peak_rss_bytes={"ingest": 1},
    )


@pytest.fixture
def results() -> Results:
    return Results(
        recorder={
            PLAIN: [recorder_run()] * 3,
            TLS: [recorder_run(1), recorder_run(4), recorder_run(2)],
            MANY: [recorder_run()._replace(objects=3_006)] * 3,
        },
        sinks={PLAIN: [peer_run(0, 9e6)] * 3},
        peers={
            SINGLE: [peer_run(2, 45_000), peer_run(4, 30_000), peer_run(2, 90_000)],
            NAIVE: [peer_run(2, 45_000)] * 3,
        },
        latencies={"1,000/s": {"journal": {"p50": 0.5, "p99": 1.5}}},
        absent={"cryptofeed": "it could not be installed"},
    )


def target(results: Results, what: str) -> Target:
    (found,) = [target for target in targets(results) if target.what.startswith(what)]
    return found


def test_ratios_are_of_runs_that_were_measured_in_turn() -> None:
    ours, theirs = [recorder_run(1), recorder_run(4)], [peer_run(1, 1), peer_run(2, 1)]
    found = ratios(ours, theirs, lambda one, other: one.micros() / other.micros())
    assert found == (1.5, 1.0, 2.0)


def test_a_target_is_met_by_the_median(results: Results) -> None:
    cpu = target(results, "CPU to Parquet / single")
    assert cpu.measured == pytest.approx((1.0, 0.5, 1.0))
    assert not cpu.is_met
    rate = target(results, "messages/s to a durable row / single")
    assert rate.measured == pytest.approx((2.0, 1.0, 3.0))
    assert not rate.is_met
    assert target(results, "bytes a message in a sealed segment, 6").is_met
    assert rate._replace(bound=2.0).is_met


def test_only_ingest_counts_against_the_ingest_of_a_peer(results: Results) -> None:
    assert target(results, "ingest's CPU / that of the naive").measured == pytest.approx((0.2, 0.1, 0.4))


def test_bytes_before_parquet_are_those_of_journal_and_segments() -> None:
    assert written_before_parquet(recorder_run()) == pytest.approx(28 / 20)


def test_the_rate_leaves_out_the_wait_for_the_last_commit() -> None:
    samples = [Stored(0, 0), Stored(11 * SEC, 0), Stored(12 * SEC, 40_000), Stored(17 * SEC, 41_000)]
    assert durable_rate(samples, began_ns=10 * SEC) == 20_000


def test_the_rate_of_few_messages_is_that_of_all() -> None:
    samples = [Stored(0, 0), Stored(11 * SEC, 500), Stored(12 * SEC, 4_000), Stored(13 * SEC, 4_000)]
    assert durable_rate(samples, began_ns=10 * SEC) == 2_000


def test_tables_show_every_arm_peer_and_reason(results: Results) -> None:
    text = "\n".join(plain(table) for table in tables(results))
    for shown in (PLAIN, TLS, MANY, SINGLE, NAIVE, "cryptofeed: it could not be installed", "1,000/s, journal"):
        assert shown in text
    assert "9,000,000" in text


def test_a_table_in_markdown_has_as_many_cells_in_each_line() -> None:
    lines = markdown(Table("Title", ("", "a"), [("x", "1"), ("y", "2")])).splitlines()
    assert lines == ["Title:", "", "|  | a |", "|---|---:|", "| x | 1 |", "| y | 2 |"]


def test_a_table_in_a_terminal_has_its_numbers_in_line() -> None:
    assert plain(Table("Title", ("", "a"), [("x", "1,000"), ("yy", "2")])).splitlines() == [
        "Title",
        "          a",
        "  x   1,000",
        "  yy      2",
    ]


def test_what_is_written_as_json_is_read_back(results: Results, tmp_path: Path) -> None:
    write_json(results, tmp_path / "bench.json")
    assert read_json(tmp_path / "bench.json") == results


def test_the_picture_has_a_bar_for_everyone_as_long_as_its_value(results: Results) -> None:
    svg = ET.fromstring(picture(results))
    bars = [bar for bar in svg.iter("{http://www.w3.org/2000/svg}rect") if bar.get("class") != "sheet"]
    texts = [text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert [bar.get("class") for bar in bars] == ["ours", "theirs", "theirs"] * 2 + ["ours", "theirs"]
    assert [float(bar.get("width", 0)) for bar in bars[:3]] == [BAR_WIDTH, BAR_WIDTH, BAR_WIDTH]
    assert [float(bar.get("width", 0)) for bar in bars[3:6]] == [BAR_WIDTH, BAR_WIDTH / 2, BAR_WIDTH / 2]
    assert "45,000 (0.5 times the recorder's)" in texts


def test_the_page_gets_the_figures_between_its_marks_and_nothing_else_changes(results: Results) -> None:
    text = f"before\n\n{page.BEGIN}\nold figures\n{page.END}\n\nafter\n"
    once = page.written(text, results)
    assert once.startswith(f"before\n\n{page.BEGIN}\n\nThe recorder, 100,000 real messages")
    assert once.endswith(f"{page.END}\n\nafter\n")
    assert "old figures" not in once
    assert page.written(once, results) == once


@pytest.mark.parametrize("text", ["", page.BEGIN, page.END + page.BEGIN, page.BEGIN + page.END + page.BEGIN])
def test_a_page_without_one_place_for_the_figures_is_refused(results: Results, text: str) -> None:
    with pytest.raises(ValueError, match="the page needs"):
        page.written(text, results)


def test_the_docs_have_a_place_for_the_figures(results: Results) -> None:
    assert "The recorder, 100,000 real messages" in page.written(page.FILE.read_text("utf-8"), results)
