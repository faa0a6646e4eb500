"""An edge loses journals that nobody else has: the ledger says so."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.whole.cluster import FEED as NAME
from tests.whole.cluster import Cluster
from tests.whole.host_figures import settled
from tests.whole.running import Exchange, wait_for

FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}
SHORT_FILES = {"file_bytes": "256KiB"}
LIVE = ("--symbols", "BTCUSDT,ETHUSDT", "--rate", "800", "--seed", "5")


def test_what_an_edge_lost_before_anybody_had_it_is_in_the_ledger(
    exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    source = exchange(*LIVE)
    with Cluster(tmp_path, source, edges=("a",), feed=FEED, journal=SHORT_FILES) as cluster:
        edge = cluster.edges["a"]
        journals = edge.recorder.data_dir / "journal" / NAME
        for part, lost, robbed in ROBBED:
            edge.signal(f"publish:{NAME}", signal.SIGSTOP)
            first = newest(journals)
            wait_for(lambda first=first: newest(journals) >= first + 3)  # type: ignore[misc]
            edge.kill()
            robbed(journals)
            edge.start()
            settled(part, cluster.goes_on, lost)
            cluster.goes_on()
        cluster.stop()
        found = cluster.outcome(robbed=("a",))
    assert found.missing, "nothing was lost: the test shows too little"
    assert ("damaged", "edge") in {(gap["kind"], gap["cause"]) for gap in found.gaps}
    assert {gap["cause"] for gap in found.gaps} <= {"edge", "restart"}


def newest(journals: Path) -> int:
    """The number of the newest file."""
    return max(int(path.stem) for path in journals.glob("*.journal"))


def a_file_in_the_middle(journals: Path) -> None:
    """Remove the last but one, which nobody has read."""
    (journals / f"{newest(journals) - 1:012}.journal").unlink()


def everything(journals: Path) -> None:
    """Remove the folder, as a disk that is replaced."""
    shutil.rmtree(journals)


ROBBED = (
    ("a journal file of the only edge, before NATS had it", "what it held", a_file_in_the_middle),
    ("the disk of the only edge", "what NATS did not have", everything),
)
