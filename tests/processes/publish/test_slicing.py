"""A journal is cut into slices at the ends of records."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.processes.publish.slicing import Border, Cutter, Range


@given(st.lists(st.lists(st.integers(1, 50), max_size=20), max_size=10), st.integers(1, 100), st.integers(0, 1000))
def test_slices_follow_each_other_at_the_ends_of_records_and_are_as_long_as_they_may_be(
    chunks: list[list[int]], slice_bytes: int, start: int
) -> None:
    sizes = [size for chunk in chunks for size in chunk]
    ends = list(accumulate(sizes, initial=start))
    borders = iter([Border(end, end * 10) for end in ends[1:]])
    cutter = Cutter(slice_bytes, start)
    cuts: list[Range] = []
    for chunk in chunks:
        cutter.add([next(borders) for _ in chunk])
        cuts += cutter.full()
    cuts += cutter.rest()
    assert [cut.start for cut in cuts] == [start, *(cut.end for cut in cuts)][: len(cuts)]
    assert {cut.end for cut in cuts} <= set(ends)
    assert (cuts[-1].end if cuts else start) == ends[-1]
    assert all(cut.newest_ns == cut.end * 10 for cut in cuts)
    following = dict(pairwise(ends))
    for cut in cuts:
        assert cut.end - cut.start <= slice_bytes or cut.end == following[cut.start], "or one longer record"
    for cut in cuts[:-1]:
        assert following[cut.end] - cut.start > slice_bytes, "the next record did not fit"
