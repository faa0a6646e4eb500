from collector.domain.names import DAY_US
from collector.storage.segment.blocks import Messages
from collector.storage.staging.partition import by_day
from tests.storage.segment.segment_files import NOON_US

NOON_DAY = NOON_US // DAY_US


def received(*times: tuple[int, int | None, int]) -> Messages:
    rows = list(range(1, len(times) + 1))
    received_us, exchange_us, lines = map(list, zip(*times, strict=True))
    return Messages(1, 0, rows, rows[:], received_us, exchange_us, lines, [b"%d" % row for row in rows])


def test_messages_of_one_day_stay_together() -> None:
    messages = received((NOON_US, None, 0), (NOON_US + 1, NOON_US - DAY_US, 1))
    ((day, found),) = by_day(messages)
    assert (day, found) == (NOON_DAY, messages)
    assert found is messages


def test_messages_around_midnight_are_parted_in_order() -> None:
    midnight = (NOON_DAY + 1) * DAY_US
    messages = received((midnight - 1, None, 0), (midnight, None, 0), (midnight - 2, None, 0), (midnight + 5, None, 0))
    assert [(day, part.rows) for day, part in by_day(messages)] == [(NOON_DAY, [1, 3]), (NOON_DAY + 1, [2, 4])]


def test_backfilled_messages_are_of_the_day_of_the_exchange() -> None:
    messages = received((NOON_US, NOON_US - 3 * DAY_US, -1), (NOON_US, NOON_US - 3 * DAY_US, 0), (NOON_US, None, -1))
    assert [(day, part.rows) for day, part in by_day(messages)] == [(NOON_DAY - 3, [1]), (NOON_DAY, [2, 3])]
