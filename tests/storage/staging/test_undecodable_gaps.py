from collector.domain.names import gap_id
from collector.storage.staging.object_messages import ObjectMessages, of_rows
from collector.storage.staging.undecodable_gaps import UndecodableGaps
from tests.storage.segment.segment_files import BOOK, NOON_US, TRADES


def received(*series_and_time: tuple[int, int]) -> ObjectMessages:
    return of_rows([(series, 0, 0, received_us, None, 0, b"?") for series, received_us in series_and_time])


def test_a_stream_has_one_gap_whatever_the_order() -> None:
    untyped = UndecodableGaps()
    untyped.note(TRADES, received((1, NOON_US + 5)))
    untyped.note(TRADES, received((0, NOON_US), (2, NOON_US + 9)))
    untyped.note(BOOK, received((0, NOON_US)))
    (first, _), (second, gap) = untyped.gaps()
    assert (first, second) == (BOOK, TRADES)
    assert (gap.missing, gap.started_at, gap.ended_at, gap.detected_at) == (3, NOON_US, NOON_US + 9, NOON_US + 9)
    assert gap.gap_id == gap_id(TRADES, 0, "undecodable", None, NOON_US)


def test_without_untyped_messages_there_is_no_gap() -> None:
    assert UndecodableGaps().gaps() == []
