from pathlib import Path

import pytest

from collector.storage.unarchived import Unarchived, find_unarchived
from tests.storage.segment.segment_files import TRADES, make_gap, make_segment, message, trade

ID = "20261123T120000Z-4f2a9c"
MESSAGES = [message(0, 1, trade(1))]
GAPS = [("toy", "BTC/USD", make_gap())]


def opened(data_dir: Path, **rows: object) -> Path:
    path = make_segment(data_dir / "segments", [TRADES], **{"messages": [], "segment_id": ID, **rows})  # type: ignore[arg-type]
    return path.rename(path.with_suffix(".open.db"))


def test_an_open_segment_without_rows_is_nothing_unarchived(tmp_path: Path) -> None:
    assert find_unarchived(tmp_path) == Unarchived([], [], [], [])
    opened(tmp_path)
    assert find_unarchived(tmp_path) == Unarchived([], [], [], [])


@pytest.mark.parametrize("rows", [{"messages": MESSAGES}, {"gaps": GAPS}])
def test_an_open_segment_with_rows_is_unarchived(tmp_path: Path, rows: dict[str, object]) -> None:
    opened(tmp_path, **rows)
    assert find_unarchived(tmp_path) == Unarchived([], [ID], [], [])


def test_an_unreadable_open_segment_is_unarchived(tmp_path: Path) -> None:
    opened(tmp_path).write_bytes(b"no database, nor was it ever one")
    assert find_unarchived(tmp_path).open_segments == [ID]


def test_sealed_staged_unread_and_quarantined_data_is_unarchived(tmp_path: Path) -> None:
    make_segment(tmp_path / "segments", [TRADES], MESSAGES, segment_id=ID)
    for name in ("staging/20261123T120001Z-4f2a9c", "quarantine/20261123T120002Z-4f2a9c", "journal/binance"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("20261123T120003Z-4f2a9c.db", "20261123T120004Z-4f2a9c.open.db"):
        (tmp_path / "quarantine" / name).touch()
    (tmp_path / "journal" / "binance" / "000000000007.journal").touch()
    assert find_unarchived(tmp_path) == Unarchived(
        [ID, "20261123T120001Z-4f2a9c"],
        [],
        ["binance/000000000007"],
        ["20261123T120002Z-4f2a9c", "20261123T120003Z-4f2a9c"],
    )
