"""The ledger has a row for each gap, and one for a stretch of too many."""

from pathlib import Path
from typing import Any

import pytest

from collector.domain.gap_stretches import SINGLE_ROWS, STRETCH_SECS
from collector.domain.repair_protocol import RepairAnswer, encode_answer
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.journal_file import CHUNK_BYTES
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import SPOKEN, START_NS, SYMBOLS, TYPES, World, book, connection, trade

SEC_NS = 1_000_000_000
ALL = "true"
"""Of gaps: those of streams that never spoke, too."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rows(world: World, kind: str) -> list[tuple[Any, ...]]:
    return world.query(
        f"SELECT gap_id, status, missing, ended_at FROM gaps WHERE kind = '{kind}'"
        f" AND (kind = 'budget' OR symbol = '_' OR {SPOKEN}) ORDER BY detected_at"
    )


def latest(world: World, kind: str) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in rows(world, kind)}


def test_many_small_holes_share_rows_and_are_counted_exactly(world: World) -> None:
    journal = world.journal()
    for number in range(500):
        journal.append_frames(START_NS + number * SEC_NS // 10, 0, [trade(2 * number)])
        if number == 300:
            world.now_ns = START_NS + 30 * SEC_NS
            world.run(stop_after_secs=10)  # a restart, and with it the border of a segment
    world.now_ns = START_NS + 200 * SEC_NS
    journal.append_frames(world.now_ns, 0, [trade(999)])
    world.run(stop_after_secs=10)
    assert len(latest(world, "sequence")) <= 2 * (SINGLE_ROWS + 1)
    assert len(rows(world, "sequence")) == len(latest(world, "sequence")) + 2
    assert sum(missing for _, missing, _ in latest(world, "sequence").values()) == 499
    assert all(ended_at is not None for _, _, ended_at in latest(world, "sequence").values())


def test_repeated_reconnects_share_one_silence_row_after_the_first(world: World) -> None:
    journal, now_ns = world.journal(), START_NS
    for number in range(1, 30):
        journal.append_event(RecordKind.CONNECT, now_ns, 0, connection(number))
        journal.append_frames(now_ns + 1_000, 0, [book(number)])
        journal.append_event(RecordKind.DISCONNECT, now_ns + 2_000, 0, {**connection(number), "cause": "disconnect"})
        now_ns += SEC_NS // 5
    journal.append_event(RecordKind.CONNECT, now_ns, 0, connection(30))
    journal.append_frames(now_ns + (STRETCH_SECS + 1) * SEC_NS, 0, [book(100)])
    world.run()
    found = rows(world, "silence")
    assert len(found) == SINGLE_ROWS + 2
    assert len({gap_id for gap_id, *_ in found}) == SINGLE_ROWS + 1
    started_at, ended_at = world.query(
        f"SELECT started_at, ended_at FROM gaps WHERE {SPOKEN} ORDER BY detected_at DESC LIMIT 1"
    )[0]
    assert started_at == (START_NS + SINGLE_ROWS * SEC_NS // 5 + 2_000) // 1_000
    assert ended_at == now_ns // 1_000


def test_repeated_refusals_do_not_flood_the_ledger(world: World) -> None:
    journal = world.journal()
    for number in range(100):
        started_ns = START_NS + number * SEC_NS // 10
        info = {"frames": 3, "bytes": 300, "started_ns": started_ns}
        journal.append_event(RecordKind.RESUMED, started_ns + 1_000, 0, info)
    world.run()
    streams = 6
    assert len(latest(world, "budget")) == streams * (SINGLE_ROWS + 1)
    assert len(rows(world, "budget")) == streams * (SINGLE_ROWS + 2)
    assert world.numbers.refused == 300


def test_an_id_that_steps_back_is_reported_once_a_stretch_and_kept(world: World) -> None:
    journal = world.journal()
    ids = [100, 140, 120, 200, 160, 300]
    journal.append_frames(START_NS, 0, [book(n) for n in ids])
    journal.append_frames(START_NS + (STRETCH_SECS + 2) * SEC_NS, 0, [book(400)])
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY row")] == [*ids, 400]
    assert world.query("SELECT stream_type, kind, cause, expected_id, actual_id, missing, status FROM gaps") == [
        ("book_snapshot", "out_of_order", "exchange", "140", "120", 1, "open"),
        ("book_snapshot", "out_of_order", "exchange", "140", "120", 2, "unrepairable"),
    ]


def test_ids_may_step_back_between_lines_and_overlapping_connections(world: World) -> None:
    journal = world.journal()
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    journal.append_event(RecordKind.CONNECT, START_NS, 1, connection(2))
    journal.append_frames(START_NS + 1, 0, [book(100), book(120)])
    journal.append_frames(START_NS + 2, 1, [book(90), book(110)])
    journal.append_event(RecordKind.CONNECT, START_NS + 3, 0, connection(3))
    journal.append_frames(START_NS + 4, 0, [book(130), book(125), book(140)])
    journal.append_event(RecordKind.DISCONNECT, START_NS + 5, 0, {**connection(1), "cause": "disconnect"})
    journal.append_frames(START_NS + 6, 0, [book(135), book(150)])
    world.run()
    assert world.query("SELECT * FROM gaps") == []
    journal.append_frames(START_NS + 7, 0, [book(145)])
    world.run()
    assert set(world.query("SELECT kind, expected_id, actual_id FROM gaps")) == {("out_of_order", "150", "145")}


def test_repeated_restarts_of_a_series_do_not_flood_the_ledger(world: World) -> None:
    journal, sent = world.journal(), []
    for restart in range(30):
        sent += [trade(n, at=restart * 1_000 + n) for n in range(400, 0, -1)[::-1]]
    journal.append_frames(START_NS, 0, sent)
    world.run()
    assert world.query("SELECT count(*) FROM messages") == [(len(sent),), (0,)]
    kinds = {kind for (kind,) in world.query("SELECT DISTINCT kind FROM gaps")}
    assert kinds <= {"reset", "duplicate_conflict"}
    assert len(latest(world, "reset")) <= SINGLE_ROWS + 1


class Feed:
    """A journal that gets a record each second."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.journal = world.journal()
        self.secs = 0
        self.connections = 0
        self.connect()

    @property
    def now_ns(self) -> int:
        return START_NS + self.secs * SEC_NS

    def connect(self) -> None:
        self.connections += 1
        self.journal.append_event(RecordKind.CONNECT, self.now_ns, 0, connection(self.connections))

    def disconnect(self, reason: str = "lost", **more: Any) -> None:
        about = {**connection(self.connections), "cause": "disconnect", "reason": reason, **more}
        self.journal.append_event(RecordKind.DISCONNECT, self.now_ns, 0, about)

    def say(self, *frames: bytes) -> None:
        self.secs += 1
        self.journal.append_frames(self.now_ns, 0, list(frames))

    def run(self, which: str = SPOKEN) -> list[tuple[Any, ...]]:
        """The ledger's rows: kind, start and end in seconds, status, what repaired it."""
        self.world.now_ns = self.now_ns
        self.world.run()
        columns = "stream_type, kind, started_at, ended_at, status, repaired_by"
        found = self.world.query(f"SELECT {columns} FROM gaps WHERE {which} ORDER BY detected_at")
        return [(*row[:2], *map(self._secs, row[2:4]), *row[4:6]) for row in found]

    @staticmethod
    def _secs(time_us: int | None) -> float | None:
        return None if time_us is None else time_us / 1e6 - START_NS / 1e9


@pytest.fixture
def feed(world: World) -> Feed:
    return Feed(world)


def that_spoke(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Without those of streams that are silent since they were subscribed."""
    return [row for row in rows if row[2] > 0]


def two_minutes(feed: Feed) -> None:
    for _ in range(120):
        feed.say(trade(feed.secs), book(feed.secs), trade(feed.secs, symbol="ETHUSDT"))


def test_a_silent_stream_has_an_open_row_until_its_next_message(feed: Feed, world: World) -> None:
    two_minutes(feed)
    for _ in range(60):
        feed.say(trade(feed.secs, symbol="ETHUSDT"))
        if feed.secs == 165:
            opened = [("book_snapshot", "silence", 120, None, "open", None)]
            opened.append(("trade", "silence", 120, None, "open", None))
            assert sorted(feed.run()) == opened  # and on behind a restart and the border of a segment
    feed.say(trade(120), book(500), trade(180, symbol="ETHUSDT"))
    assert sorted(feed.run(), key=str)[::2] == [
        ("book_snapshot", "silence", 120, 181, "unrepairable", None),
        ("trade", "silence", 120, 181, "repaired", "continuity"),
    ]


def test_a_silence_with_lost_messages_is_not_repaired(feed: Feed) -> None:
    two_minutes(feed)
    for _ in range(60):
        feed.say(trade(feed.secs, symbol="ETHUSDT"))
    feed.say(trade(150))
    rows = {row[1]: row for row in feed.run() if row[0] == "trade"}
    assert rows["silence"][2:] == (120, 181, "unrepairable", None)
    assert rows["sequence"][4] == "open"


def test_a_lasting_silence_is_one_row_whatever_its_connections_do(feed: Feed) -> None:
    two_minutes(feed)
    for _ in range(5):
        for _ in range(40):
            feed.say(trade(feed.secs, symbol="ETHUSDT"))
        feed.disconnect()
        feed.secs += 3
        feed.connect()
    rows = that_spoke(feed.run())
    assert [row for row in rows if row[0] == "book_snapshot"] == [("book_snapshot", "silence", 120, None, "open", None)]


def test_a_version_1_silent_connection_is_offline_since_its_last_data(feed: Feed) -> None:
    two_minutes(feed)
    feed.secs += 30
    feed.disconnect("silent")
    feed.secs += 5
    feed.connect()
    feed.say(trade(120), book(500))
    assert feed.run() == [("book_snapshot", "silence", 120, 155, "unrepairable", None)]


@pytest.mark.parametrize("reason", ["lost", "silent", "stopped"])
def test_a_broken_connection_is_offline_since_its_last_sign_of_life(feed: Feed, reason: str) -> None:
    two_minutes(feed)
    alive_ns = feed.now_ns
    feed.secs += 12  # the network froze
    feed.disconnect(reason, alive_ns=alive_ns)
    feed.secs += 5
    feed.connect()
    feed.say(trade(120), book(500))
    assert feed.run() == [("book_snapshot", "silence", 120, 137, "unrepairable", None)]


def test_a_connection_dead_before_another_opened_leaves_a_silence(feed: Feed) -> None:
    two_minutes(feed)
    alive_ns = feed.now_ns
    feed.secs += 29
    feed.connect()
    feed.secs += 1
    feed.disconnect("silent", alive_ns=alive_ns, connection=1)
    feed.say(trade(120), book(500))
    assert feed.run() == [("book_snapshot", "silence", 120, 149, "unrepairable", None)]


def test_an_outage_noticed_by_two_lines_in_turn_is_in_the_ledger(feed: Feed) -> None:
    feed.connect()
    two_minutes(feed)
    alive_ns = feed.now_ns
    feed.secs += 8
    feed.disconnect(alive_ns=alive_ns, connection=1)
    feed.secs += 3
    feed.connect()
    for _ in range(20):
        feed.say(trade(feed.secs - 11), book(feed.secs))
    feed.disconnect("silent", alive_ns=alive_ns, connection=2)
    feed.say(trade(feed.secs - 11), book(feed.secs))
    assert feed.run("stream_type = 'book_snapshot' AND symbol = 'BTCUSDT'") == [
        ("book_snapshot", "silence", 120, 131, "unrepairable", None)
    ]


def test_a_stream_dead_on_a_live_connection_is_silent_until_data_comes(feed: Feed) -> None:
    two_minutes(feed)
    feed.secs += 40
    feed.connect()  # beside the first
    feed.secs += 5
    feed.say(trade(120), book(500))
    feed.journal.append_event(
        RecordKind.DISCONNECT, feed.now_ns, 0, {**connection(1), "cause": "disconnect", "reason": "renewed"}
    )
    assert sorted(feed.run(), key=str) == [
        ("book_snapshot", "silence", 120, 166, "unrepairable", None),
        ("book_snapshot", "silence", 120, None, "open", None),
        ("trade", "silence", 120, 166, "repaired", "continuity"),
        ("trade", "silence", 120, None, "open", None),
        ("trade", "silence", 120, None, "open", None),
    ]


def test_a_useless_second_connection_leaves_no_row(feed: Feed) -> None:
    for _ in range(3):
        feed.say(trade(feed.secs), book(feed.secs))
    for _ in range(20):
        feed.connect()
        feed.secs += 2
        feed.disconnect("trial")
        feed.say(book(feed.secs))
    assert feed.run(ALL) == []


def test_a_dead_connection_is_offline_since_its_last_answer(feed: Feed) -> None:
    two_minutes(feed)
    feed.secs += 30
    feed.disconnect("silent", alive_ns=feed.now_ns - 12 * SEC_NS)
    feed.secs += 5
    feed.connect()
    feed.say(trade(120), book(500))
    assert feed.run() == [("book_snapshot", "silence", 138, 155, "unrepairable", None)]


@pytest.mark.parametrize("others_speak", [True, False])
def test_a_silence_that_ends_in_a_new_series_is_not_repaired(feed: Feed, *, others_speak: bool) -> None:
    two_minutes(feed)
    for _ in range(100):
        feed.secs += 1
        if others_speak:
            feed.journal.append_frames(feed.now_ns, 0, [trade(feed.secs, symbol="ETHUSDT")])
    feed.say(trade(2, at=10**6), trade(3, at=10**6))
    rows = [row for row in feed.run() if row[0] == "trade" and row[4] != "open"]
    assert sorted(row[1] for row in rows) == ["reset", "silence"]
    assert {row[4:] for row in rows} == {("unrepairable", None)}


def test_a_silence_of_a_whole_connected_feed_is_found_when_it_ends(feed: Feed) -> None:
    two_minutes(feed)
    feed.secs += 100
    feed.say(trade(120), book(500), trade(120, symbol="ETHUSDT"))
    found = {row[0]: row for row in feed.run()}
    assert [found[name][4:] for name in ("trade", "book_snapshot")] == [
        ("repaired", "continuity"), ("unrepairable", None)
    ]  # fmt: skip
    assert found["book_snapshot"][3] - found["book_snapshot"][2] == pytest.approx(101, abs=5)


def test_a_quiet_symbol_is_not_silent_and_repeated_pauses_are_learned(feed: Feed) -> None:
    symbol, quiet, paused = "ETHUSDT", 0, 0
    for second in range(6_000):
        frames = [book(second)]
        if second % 97 == 0:
            frames.append(trade(quiet, symbol=symbol))
            quiet += 1
        if second % 400 < 200:
            frames.append(trade(paused))
            paused += 1
        feed.say(*frames)
    rows = that_spoke(feed.run())
    assert all(row[:2] == ("trade", "silence") for row in rows)
    opened = [row for row in rows if row[4] == "open"]
    assert 1 <= len(opened) <= 4
    assert [row[5] for row in rows if row[4] != "open"] == ["continuity"] * (len(rows) - len(opened))


def test_ids_below_the_first_one_begin_a_new_series(world: World) -> None:
    journal, now_ns = world.journal(), START_NS
    late = trade(3, at=0)
    ids = [*range(5_000_000, 5_000_020), *range(1, 5), *range(8, 20)]
    for frame in [trade(ids[0], at=1), late, *(trade(trade_id, at=at) for at, trade_id in enumerate(ids[1:], 2))]:
        journal.append_frames(now_ns, 0, [frame])
        now_ns += SEC_NS
    world.now_ns = now_ns
    world.run(stop_after_secs=5)
    assert world.query("SELECT kind, expected_id, actual_id, missing FROM gaps ORDER BY detected_at") == [
        ("reset", None, "1", None),
        ("sequence", "5", "8", 3),
    ]
    assert world.query("SELECT series, count(*) FROM messages GROUP BY series") == [(0, 21), (1, 16)]


SEQUENCE_AND_BUDGET = f"SELECT DISTINCT kind, cause, expected_id, missing FROM gaps WHERE stream_type = 'trade' AND {SPOKEN} ORDER BY kind"


def test_an_outage_that_follows_a_refusal_has_its_own_row(world: World) -> None:
    journal, now_ns = world.journal(), START_NS
    journal.append_event(RecordKind.CONNECT, now_ns, 0, connection(1))
    journal.append_frames(now_ns, 0, [trade(1)])
    refused = {"frames": 10, "bytes": 1_000, "started_ns": now_ns + SEC_NS}
    journal.append_event(RecordKind.REFUSING, now_ns + SEC_NS, 0, refused)
    journal.append_event(RecordKind.RESUMED, now_ns + 2 * SEC_NS, 0, refused)
    journal.append_event(RecordKind.DISCONNECT, now_ns + 3 * SEC_NS, 0, {**connection(1), "cause": "restart"})
    journal.close()
    journal = world.journal()
    now_ns += 3_600 * SEC_NS
    journal.append_event(RecordKind.CONNECT, now_ns, 0, connection(1))
    journal.append_frames(now_ns + SEC_NS, 0, [trade(50_000)])
    world.now_ns = now_ns + 10 * SEC_NS
    world.run(stop_after_secs=5)
    assert world.query(SEQUENCE_AND_BUDGET) == [
        ("budget", "disk_budget", None, None),
        ("sequence", "restart", "2", 49_998),
    ]


def test_the_time_after_an_ingest_killed_while_refusing_is_a_gap(world: World) -> None:
    journal = world.journal()
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    journal.append_frames(START_NS, 0, [trade(1)])
    journal.append_event(RecordKind.REFUSING, START_NS + SEC_NS, 0, {"started_ns": START_NS + SEC_NS})
    world.now_ns = START_NS + 20 * SEC_NS
    journal = world.journal()
    journal.append_event(RecordKind.CONNECT, world.now_ns, 0, connection(1))
    journal.append_frames(world.now_ns + SEC_NS, 0, [trade(500)])
    world.now_ns += 10 * SEC_NS
    world.run(stop_after_secs=5)
    assert world.query(SEQUENCE_AND_BUDGET) == [
        ("budget", "disk_budget", None, None),
        ("sequence", "restart", "2", 498),
    ]


def test_a_hole_from_refused_frames_alone_has_no_second_row(world: World) -> None:
    journal = world.journal()
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    journal.append_frames(START_NS, 0, [trade(1)])
    refused = {"frames": 10, "bytes": 1_000, "started_ns": START_NS + SEC_NS}
    journal.append_resumed(START_NS + 2 * SEC_NS, refused, START_NS + 2 * SEC_NS, 0, [trade(12), trade(13)])
    world.now_ns += 10 * SEC_NS
    world.run(stop_after_secs=5)
    assert world.query(SEQUENCE_AND_BUDGET) == [("budget", "disk_budget", None, None)]


def test_a_stream_without_messages_has_an_open_row_until_its_first(feed: Feed, world: World) -> None:
    for _ in range(299):
        feed.say(book(feed.secs))
    assert feed.run() == []
    feed.disconnect()
    feed.secs += 1
    feed.connect()
    for _ in range(12):
        feed.say(book(feed.secs))
    silent = [row for row in feed.run(ALL) if row[4] == "open"]
    assert sorted(silent) == [
        *[("book_delta", "silence", 0, None, "open", None)] * 2,
        ("book_snapshot", "silence", 0, None, "open", None),
        *[("trade", "silence", 0, None, "open", None)] * 2,
    ]
    feed.say(trade(7), book(feed.secs))
    ended = [row for row in feed.run(ALL) if row[1:3] == ("silence", 0) and row[4] != "open"]
    assert ended == [("trade", "silence", 0, 313, "unrepairable", None)]
    assert (
        len(set(world.query("SELECT symbol, gap_id FROM gaps WHERE stream_type = 'trade' AND started_at = 17e14"))) == 2
    )


def test_a_feed_without_messages_has_rows_though_connections_are_short(feed: Feed) -> None:
    feed.disconnect()
    for _ in range(12):
        feed.secs += 60
        feed.connect()
        feed.secs += 30
        feed.disconnect()
    assert sorted(row for row in feed.run(ALL) if row[3] is None) == sorted(
        (name, "silence", 0, None, "open", None) for name in ("book_delta", "book_snapshot", "trade") * 2
    )


def test_an_outage_has_a_row_for_a_stream_without_messages(feed: Feed, world: World) -> None:
    feed.say(book(1))
    feed.disconnect()
    feed.secs += 60
    feed.connect()
    feed.secs += 10
    feed.journal = world.journal()
    feed.secs += 20
    feed.connect()
    feed.say(trade(9))
    outages = [row[:4] for row in feed.run(ALL) if row[0] == "trade"]
    assert sorted(outages) == [*[("trade", "silence", 1, 61)] * 2, *[("trade", "silence", 61, 91)] * 2]


def test_an_outage_has_a_row_for_a_stream_with_one_message(feed: Feed) -> None:
    feed.say(trade(1), book(1))
    for _ in range(12):
        feed.secs += 10
        feed.disconnect()
        feed.secs += 60
        feed.connect()
        feed.secs += 30
    rows = feed.run()
    assert [row[2:4] for row in rows if row[0] == "book_snapshot" and row[3]][:2] == [(11, 71), (111, 171)]
    assert [row for row in rows if row[3] is None and row[0] == "trade"] == [
        ("trade", "silence", 1, None, "open", None)
    ]


def test_dropping_a_stream_without_messages_closes_its_silence(feed: Feed, world: World) -> None:
    for _ in range(400):
        feed.say(book(feed.secs), trade(feed.secs))
    world.now_ns = feed.now_ns
    feed.journal.close()
    feed.secs += 60
    feed.journal = world.journal(symbols=("BTCUSDT",))
    feed.connect()
    feed.say(book(feed.secs))
    rows = {(row[0], *row[4:]): row[2:4] for row in feed.run(ALL) if row[2] == 0 and row[0] != "book_snapshot"}
    assert rows == {
        ("book_delta", "open", None): (0, None),
        ("book_delta", "unrepairable", None): (0, 400),
        ("trade", "open", None): (0, None),
        ("trade", "unrepairable", None): (0, 400),
    }


def test_holes_are_judged_by_the_time_of_their_own_feed(world: World) -> None:
    journal, sent, missing = world.journal(), 0, 0
    while journal.position < 2 * CHUNK_BYTES:
        now_ns = START_NS + sent * SEC_NS // 100
        if not missing and journal.position > CHUNK_BYTES - 1_000:
            missing = sent  # its place is among the last of what is read at once
        else:
            journal.append_frames(now_ns, 0, [trade(sent)])
        if missing and sent == missing + 8:
            journal.append_frames(now_ns, 0, [trade(missing)])
        sent += 1
    world.now_ns = START_NS + 3_600 * SEC_NS
    for feed, symbols in (("f~rest", SYMBOLS), ("g", ("SOLUSDT",))):
        other = JournalWriter(
            world.config.data_dir / "journal" / feed, FeedIdentity(feed, "binance", symbols, TYPES), 1, 1 << 30,
            lambda: world.now_ns,
        )  # fmt: skip
        body = encode_answer(RepairAnswer("BTCUSDT", "book_delta", "end"))
        other.append_frames(world.now_ns, -1, [body])
    world.run(stop_after_secs=5)
    assert world.query("SELECT * FROM gaps WHERE kind = 'sequence'") == []
    assert world.numbers.late == 1


def test_a_trade_every_three_minutes_leaves_no_gap(world: World) -> None:
    journal = world.journal(symbols=SYMBOLS[:1], data_types=("trade",))
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    for number in range(1, 10):
        journal.append_frames(START_NS + 180 * number * SEC_NS, 0, [trade(number)])
    world.now_ns = START_NS + 1_650 * SEC_NS
    world.run()
    assert world.query("SELECT * FROM gaps") == []
    assert world.payloads() == [trade(number) for number in range(1, 10)]
