"""What two lines lose between them, and what the ledger says of it: short forms of `tests/bench/bench_faults.py`."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.whole.networks import DroppingNetwork
from tests.whole.running import wait_for
from tests.whole.striking import Load, struck, struck_in

BUSY = Load(rate=300)
AT_ONCE: Mapping[str, float] = {"reconnect_base_delay_secs": 0.2, "reconnect_max_delay_secs": 1}
SOON: Mapping[str, float] = {**AT_ONCE, "stale_timeout_secs": 6}


@pytest.mark.parametrize(("kind", "times"), [("disconnect", 4), ("stall", 2)])
def test_what_strikes_one_line_after_the_other_costs_nothing(kind: str, times: int, tmp_path: Path) -> None:
    with struck(tmp_path, lines=2, load=BUSY, ingest=SOON) as recorded:
        recorded.wait_until_lines_bring(100)
        for _ in range(times):
            recorded.strike(kind)
            recorded.wait_until_lines_bring(50)
        found = recorded.end()
    assert (found.lost, found.lacking, found.rows) == (0, {}, 0)
    assert found.stored == found.made > 200


def test_an_outage_of_one_of_two_routes_costs_nothing(tmp_path: Path) -> None:
    with (
        DroppingNetwork(addresses=2) as network,
        struck_in(network, tmp_path, lines=2, load=BUSY, ingest=SOON) as recorded,
    ):
        recorded.wait_until_lines_bring(100)
        network.drop(network.addresses[0])
        wait_for(lambda: recorded.recorder.logged("disconnected"))
        recorded.recorder.wait_for_messages(recorded.recorder.messages() + 100)
        network.carry(network.addresses[0])
        (ended,) = recorded.recorder.logged("disconnected")
        found = recorded.end()
    assert (ended["line"], ended["reason"]) == (0, "silent")
    assert (found.lost, found.lacking, found.rows) == (0, {}, 0)
    assert found.stored == found.made


@pytest.mark.parametrize("lines", [1, 2])
def test_frames_lost_on_all_lines_are_exactly_the_ledger(lines: int, tmp_path: Path) -> None:
    load = Load(("BTCUSDT", "ETHUSDT"), ("book_delta", "trade"), rate=600)
    with struck(tmp_path, lines, load, ingest=AT_ONCE) as recorded:
        recorded.wait_until_lines_bring(100)
        recorded.lose(0.1, frames=2_000)
        found = recorded.end()
    assert found.differences == []
    assert found.lost == found.left_out > 0
    assert found.made == found.stored + found.lost
