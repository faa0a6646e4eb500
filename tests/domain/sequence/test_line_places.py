"""What one line skips and another one brings is counted as saved, exactly; nothing else is."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import IdRule
from collector.domain.sequence.dedup import DuplicateFilter
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.stretch import Stretch
from collector.domain.sequence.verdict import Verdict

NOT_NEW = (Verdict.COPY, Verdict.CONFLICT)


class Lines:
    """A stream of several lines, whose connections have the numbers of their lines."""

    def __init__(self, lines: int = 2, rule: IdRule = IdRule.DENSE) -> None:
        self._rule = rule
        self.filter = DuplicateFilter(rule=rule, overlap_secs=40.0, progress=StreamProgress(), recent={})
        self.standing: set[int] = set()
        self.saved = 0
        for line in range(lines):
            self.connect(line)

    def connect(self, line: int, *, alone: bool = True) -> None:
        self.standing.add(line)
        self.filter.begin_line(line, self.standing, alone=alone)

    def cut(self, line: int) -> None:
        self.standing.discard(line)
        self.filter.begin_line(line, self.standing, alone=True)

    def bring(self, line: int, *ids: int, first_id: int | None = None, at_us: int = 1) -> int:
        """Returns how many messages that showed to be saved."""
        before = self.saved
        for message_id in ids:
            verdict = self.filter.judge(message_id, first_id, at_us, at_us, message_id, line, line)
            self.saved += self.filter.saved_by(line, message_id, first_id, is_new=verdict not in NOT_NEW)
        return self.saved - before

    def restart(self) -> None:
        """Go on as a new writer does, from the stored state and the newest messages."""
        stored = msgspec.msgpack.encode(self.filter.progress)
        progress = msgspec.msgpack.decode(stored, type=StreamProgress)
        self.filter = DuplicateFilter(rule=self._rule, overlap_secs=40.0, progress=progress, recent=self.filter.recent)


def test_what_a_line_skips_is_saved_if_another_one_brought_it_before() -> None:
    stream = Lines()
    assert stream.bring(0, 1, 2, 3, 4) == 0
    assert stream.bring(1, 1) == 0
    assert stream.bring(1, 4) == 2


def test_what_a_line_skips_is_saved_if_another_one_brings_it_later() -> None:
    stream = Lines()
    stream.bring(0, 1)
    stream.bring(1, 1)
    assert stream.bring(0, 4) == 0
    assert [stream.bring(1, message_id) for message_id in (2, 3, 4)] == [1, 1, 0]


def test_what_all_lines_skip_is_not_saved() -> None:
    stream = Lines()
    stream.bring(0, 1, 4)
    assert stream.bring(1, 1, 4) == 0


def test_what_repair_fetched_is_not_saved() -> None:
    stream = Lines()
    stream.bring(0, 1, 4)
    stream.bring(1, 1)
    assert stream.filter.backfill(2)
    assert stream.filter.backfill(3)
    assert stream.bring(1, 4) == 0


def test_a_message_is_counted_for_each_line_that_skipped_it() -> None:
    stream = Lines(lines=3)
    for line in range(3):
        stream.bring(line, 1)
    stream.bring(0, 2, 3)
    assert stream.bring(1, 3) == 1
    assert stream.bring(2, 3) == 1


def test_messages_are_counted_not_their_ids() -> None:
    stream = Lines()
    stream.bring(0, 10, first_id=1)
    stream.bring(1, 10, first_id=1)
    stream.bring(0, 25, first_id=11)
    stream.bring(0, 70, first_id=26)
    assert stream.bring(1, 70, first_id=26) == 1


def test_what_was_skipped_while_a_line_was_cut_is_saved() -> None:
    stream = Lines()
    stream.bring(0, 1)
    stream.bring(1, 1)
    stream.cut(1)
    stream.bring(0, *range(2, 1_000))
    stream.connect(1)
    assert stream.bring(1, 999) == 997


def test_a_cut_may_last_longer_than_the_newest_ids_are_kept() -> None:
    stream = Lines()
    stream.bring(1, 1)
    stream.cut(1)
    for message_id in range(1, 20_001):
        stream.bring(0, message_id, at_us=message_id * 100_000)
    assert len(stream.filter.recent) < 1_000
    stream.connect(1)
    assert stream.bring(1, 20_001, at_us=20_001 * 100_000) == 19_999


def test_a_line_that_comes_back_behind_the_other_has_skipped_only_what_lies_before() -> None:
    stream = Lines()
    stream.bring(0, 1)
    stream.bring(1, 1)
    stream.cut(1)
    stream.bring(0, *range(2, 20))
    stream.connect(1)
    assert stream.bring(1, 10, 11, 12, 13) == 8


def test_a_line_has_no_place_before_its_first_message() -> None:
    stream = Lines(lines=1)
    stream.bring(0, *range(1, 100))
    stream.connect(1)
    assert stream.bring(1, 100) == 0
    assert stream.bring(0, 101) == 0
    assert stream.bring(0, 102, 103) == 0
    assert stream.bring(1, 103) == 2


def test_nothing_is_counted_while_two_connections_share_a_line() -> None:
    stream = Lines()
    stream.bring(0, *range(1, 10))
    stream.bring(1, *range(1, 5))
    stream.connect(1, alone=False)
    assert stream.bring(1, 9, 5, 6, 7, 8) == 0
    stream.cut(1)
    stream.standing.add(1)
    assert stream.bring(1, 11) == 0
    assert stream.bring(0, 10) == 0
    assert stream.bring(1, 13) == 0
    assert stream.bring(0, 11, 12) == 1


def test_what_a_line_brings_after_all_is_taken_from_the_next_that_is_skipped() -> None:
    stream = Lines()
    for line in (0, 1):
        stream.bring(line, 1)
    stream.bring(0, 3, 2)
    assert stream.bring(1, 3, 2) == 1
    stream.bring(0, 5, 4)
    assert stream.bring(1, 5, 4) == 0


def test_a_new_series_begins_without_places() -> None:
    stream = Lines()
    for line in (0, 1):
        stream.bring(line, 900, 901)
    later_us = 10_000_000
    assert stream.bring(0, 5, 6, at_us=later_us) == 0
    assert stream.filter.progress.series == 1
    assert stream.bring(1, 901) == 0  # it still brings the series that ended
    assert stream.bring(1, 6, at_us=later_us) == 0
    stream.bring(0, 7, at_us=later_us)
    assert stream.bring(1, 8, at_us=later_us) == 1


def test_ids_that_prove_no_continuity_show_nothing() -> None:
    for rule in (IdRule.RISING, IdRule.UNIQUE):
        stream = Lines(rule=rule)
        stream.bring(0, 1, 2, 3)
        assert stream.bring(1, 1, 3) == 0


def test_messages_are_taken_together_only_by_a_line_that_skipped_none_before() -> None:
    stream = Lines()
    for line in (0, 1):
        stream.bring(line, 1)
    stream.bring(0, 2)

    def together(line: int, ids: Sequence[int]) -> bool:
        times = [1] * len(ids)
        return stream.filter.judge_together(
            Stretch(list(ids), list(ids), list(times), times, [b"m"] * len(ids), line, 0)
        )

    assert together(0, [3, 4])
    assert not together(1, [5, 6])
    stream.cut(0)
    assert stream.bring(1, 5) == 3


@given(st.data())
def test_every_message_that_one_line_brought_and_another_skipped_is_saved(data: st.DataObject) -> None:
    messages = 60
    lost = st.sets(st.integers(2, messages - 1))
    kept = [[one for one in range(1, messages + 1) if one not in data.draw(lost)] for _ in range(2)]
    stream, at = Lines(), [0, 0]
    while (left := [line for line in (0, 1) if at[line] < len(kept[line])]) != []:
        line = data.draw(st.sampled_from(left))
        stream.bring(line, kept[line][at[line]])
        at[line] += 1
        if data.draw(st.booleans()):
            stream.restart()
    assert stream.saved == len(set(kept[0]) ^ set(kept[1]))


@pytest.mark.parametrize("behind", [1, 50])
def test_a_new_writer_counts_on(behind: int) -> None:
    stream = Lines()
    stream.bring(1, 1)
    stream.bring(0, *range(1, 1 + behind))
    stream.cut(1)
    stream.restart()
    stream.bring(0, *range(1 + behind, 200))
    stream.connect(1)
    stream.restart()
    assert stream.bring(1, 200) == 198
