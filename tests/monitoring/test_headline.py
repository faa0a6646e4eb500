import pytest

from collector.domain.records import StreamKey
from collector.monitoring.headline import headline
from collector.monitoring.health import Facts, reasons
from collector.monitoring.silences import Silence
from collector.monitoring.view import ChildState
from collector.reports import JournalLag, WriterReport

STREAMS = [StreamKey("binance", symbol, "trade") for symbol in ("A", "B", "C", "D")]
SILENT = [Silence(key, 50.0, 40.0) for key in STREAMS]
WRITER = ChildState("writer", 12, "running", 0, 0.4, report=WriterReport)
WELL = Facts(
    processes=[WRITER], journals=[], store_error=None, quarantined=0, refusing=[], silent=[], configured=STREAMS,
    feeds=["binance", "okx"],
)  # fmt: skip
DEAD_WRITER = [WRITER._replace(state="backoff", restarts=2)]


def line(facts: Facts, *, is_ready: bool = True) -> str:
    return headline(facts, reasons(facts), is_ready=is_ready)


def test_a_healthy_recorder_records_starts_or_reconnects() -> None:
    assert line(WELL) == "Recording"
    assert line(WELL, is_ready=False) == "Starting, nothing stored yet"
    assert line(WELL._replace(is_connected=False)) == "Reconnecting"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (WELL._replace(silent=SILENT[:1]), "Recording; 1 of 4 streams silent: binance trade (A)"),
        (WELL._replace(silent=SILENT), "Not recording; 4 of 4 streams silent: binance trade (all 4)"),
        (
            WELL._replace(silent=SILENT, journals=[JournalLag(feed="okx", lag_secs=28.0)]),
            "Recording into the journal only; 4 of 4 streams silent: binance trade (all 4)",
        ),
        (
            WELL._replace(
                unstored=[silence._replace(feed="okx") for silence in SILENT],
                journals=[JournalLag(feed="okx", lag_secs=41.0)],
            ),
            "Recording into the journal only; the writer is behind",
        ),
        (WELL._replace(refusing=["okx"]), "Recording; frames refused: okx"),
        (WELL._replace(refusing=["okx", "binance"]), "Not recording; frames refused: okx, binance"),
        (WELL._replace(processes=DEAD_WRITER), "Recording into the journal only; writer failing"),
        (
            WELL._replace(processes=DEAD_WRITER, silent=SILENT, store_error="timeout"),
            "Recording into the journal only; writer failing, and 2 more",
        ),
        (
            WELL._replace(silent=SILENT[:1], is_connected=False),
            "Not recording; 1 of 4 streams silent: binance trade (A)",
        ),
        (WELL._replace(store_error="x" * 400), "Recording; segments wait for the store"),
    ],
)
def test_an_unhealthy_one_says_what_it_still_records(facts: Facts, text: str) -> None:
    assert line(facts) == text


def test_it_does_not_change_while_the_same_things_are_wrong() -> None:
    def facts(secs: float) -> Facts:
        late = ChildState("archiver", 13, "running", 0, secs)
        return WELL._replace(
            processes=[late], journals=[JournalLag(feed="okx", lag_secs=secs)], disk_full_in_secs=9_000 - secs
        )

    assert line(facts(80.0)) == line(facts(82.0)) == "Recording; archiver failing, and 2 more"
