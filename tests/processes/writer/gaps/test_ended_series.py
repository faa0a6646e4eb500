"""What was missing when the exchange began a new series is told by the commit that begins it."""

from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, update


def test_a_kill_right_after_a_reset_loses_no_row() -> None:
    world = ProcessorWorld(NAME, ("A",), ("book_delta",), repaired=False, adapter_of=lambda _: Toy())
    world.receive(at(0), [update(100), update(105)])
    world.receive(at(1), [update(106)])
    world.receive(at(1), [update(1, sent=at(110))])
    world.commit()
    world.restart()
    world.receive(at(9), [update(2, sent=at(111))])
    world.commit()
    rows = [(gap.kind, gap.expected_id, gap.actual_id, gap.missing) for gap in world.latest().values()]
    assert sorted(map(str, rows)) == sorted(map(str, [("sequence", "101", "105", 4), ("reset", None, "1", None)]))
