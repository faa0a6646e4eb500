"""A feed refuses frames until it records again, or has refused none for a while."""

from collector.monitoring.refusals import Refusals


def test_a_feed_that_records_again_does_not_refuse_any_more() -> None:
    refusals = Refusals()
    assert refusals.update({"f": 0}, {"f": 100}, 1.0) == []
    assert refusals.update({"f": 5}, {"f": 120}, 2.0) == ["f"]
    assert refusals.update({"f": 9}, {"f": 130}, 3.0) == ["f"]
    assert refusals.update({"f": 9}, {"f": 130}, 4.0) == ["f"]
    assert refusals.update({"f": 9}, {"f": 131}, 5.0) == []
    assert refusals.update({"f": 10}, {"f": 131}, 6.0) == ["f"]
    assert refusals.update({"f": 10}, {"f": 131}, 16.0) == []
