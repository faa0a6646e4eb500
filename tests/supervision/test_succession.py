"""The later program of a handover: when it says which word, with an earlier program that the test speaks for."""

import weakref
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from collector.reports import PublishReport, RelayReport, StreamNumbers, WriterReport
from collector.storage.formats import FORMATS
from collector.supervision.handover_link import Alive, Connected, Failed, Gone, Hello, Here, Link, Sound, Stored, Yours
from collector.supervision.reload_steps import Steps
from collector.supervision.signals import Signals
from collector.supervision.succession import AWAITED_LIMIT_SECS, Succession, awaited, raised_formats
from collector.supervision.work_shown import QUIET_SECS, idle
from tests.supervision.programs import MIN_SECS, Reports, Side, add_host_roles, config, ingest

STREAM = StreamNumbers("binance", "BTCUSDT", "trade", silence_limit_secs=10.0, last_received_us=0)
OTHERS = ("repair", "writer", "archiver")


class World:
    def __init__(self, folder: Path, role: Literal["all", "edge", "storage"] = "all") -> None:
        self.side = Side(*([] if role == "storage" else ["ingest:binance"]))
        ours, theirs = Link.pair()
        self.earlier = Link(theirs)
        self.signals = Signals()
        weakref.finalize(self, self.signals._bell.close)
        hello = Hello(
            version="1.0", data_dir=str(folder), run_id="run", request_id="a" * 16, config_number=4,
            formats=dict(FORMATS), lock=[], first_connections={"ingest:binance": 20_041},
        )  # fmt: skip
        self.succession = Succession(ours, hello, config(folder, role), self.signals, self.side, self.side.log)
        self.reports: Reports = {}
        if role != "storage":
            self.reports["ingest:binance"] = ingest(self.side.pid("ingest:binance"), frames=5)
        self.said = [type(message) for message in self.earlier.receive()]

    def look(self, secs: float = 1.0) -> Alive | None:
        """Take a step; returns what it waits for."""
        self.side.secs += secs
        self.succession.look(self.side, self.reports)  # type: ignore[arg-type]
        messages = self.earlier.receive()
        self.said += [type(message) for message in messages if not isinstance(message, Alive)]
        return next((message for message in messages if isinstance(message, Alive)), None)

    def writes(self, durable_secs: float, received_secs: float = 0.0) -> None:
        """The writer has committed what was received until then."""
        stream = STREAM._replace(last_durable_us=round(durable_secs * 1e6), last_received_us=round(received_secs * 1e6))
        self.reports["writer"] = WriterReport(role="writer", pid=self.side.pid("writer"), streams=[stream])

    def take_over(self, *others: str) -> None:
        """The earlier processes that change places have left."""
        self.look()
        self.earlier.send(Yours())
        self.look()
        self.side.join(*(others or OTHERS))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_greets_and_says_that_it_has_connected_once_every_connection_is_open(world: World) -> None:
    assert world.said == [Here]
    pid = world.side.pid("ingest:binance")
    world.reports["ingest:binance"] = ingest(pid, state="connecting")
    assert world.look() == Alive(waits_for="binance: not all connections are open")
    world.reports["ingest:binance"] = ingest(pid + 1)
    world.side.recording = False
    assert world.look() == Alive(waits_for="its processes have not reported yet")
    world.side.recording = True
    world.reports["ingest:binance"] = ingest(pid)
    assert world.look() == Alive(waits_for="the earlier repair, writer and archiver have not left yet")
    assert world.said == [Here, Connected]


def test_its_own_writer_starts_when_the_earlier_one_has_left(world: World) -> None:
    assert world.succession.first_processes == ["ingest:binance"]
    assert world.succession.first_connection("ingest:binance") == 20_041
    world.look()
    assert world.side.steps == []
    world.earlier.send(Yours())
    world.look()
    assert world.side.steps == [Steps(start=OTHERS)]


def test_it_has_stored_once_something_is_durable_that_came_since(world: World) -> None:
    world.take_over()
    assert world.look() == Alive(waits_for="its writer has not committed yet")
    world.writes(durable_secs=90.0)
    assert world.look() == Alive(waits_for="its writer has not committed yet"), "the earlier one did"
    world.writes(durable_secs=world.side.secs)
    world.look()
    assert world.said == [Here, Connected, Stored]


def test_where_nothing_comes_a_writer_that_stands_is_enough(world: World) -> None:
    world.reports["ingest:binance"] = ingest(world.side.pid("ingest:binance"), frames=0)
    world.take_over()
    world.writes(durable_secs=90.0)
    world.look(QUIET_SECS / 2)
    assert Stored not in world.said
    world.look(QUIET_SECS / 2)
    assert Stored in world.said


def test_it_is_sound_after_the_time_and_with_every_stream_that_should_speak(world: World) -> None:
    world.take_over()
    world.writes(durable_secs=world.side.secs + 1, received_secs=world.side.secs)
    waits = world.look()
    assert waits is not None
    assert waits.waits_for.startswith("supervisor.handover_min_secs are over in ")
    world.side.secs += MIN_SECS
    unheard = ingest(world.side.pid("ingest:binance"), frames=5, unheard=[("BTCUSDT", "trade")])
    world.reports["ingest:binance"] = unheard
    world.writes(durable_secs=world.side.secs, received_secs=world.side.secs)
    assert world.look() == Alive(waits_for="binance BTCUSDT trade has not come over its connections yet")
    assert Sound not in world.said
    world.reports["ingest:binance"] = ingest(world.side.pid("ingest:binance"), frames=5)
    world.look()
    world.look()
    assert world.said == [Here, Connected, Stored, Sound]


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of roles with those of several hosts."""
    add_host_roles(monkeypatch)


@pytest.mark.usefixtures("several")
def test_an_edge_is_sound_once_it_publishes_and_brings_all_or_has_waited_long_enough(tmp_path: Path) -> None:
    world = World(tmp_path, "edge")
    assert world.succession.first_processes == ["ingest:binance"]
    pid = world.side.pid("ingest:binance")
    world.take_over("publish:binance")
    assert "publish:binance" in world.side.steps[0].start
    publish = PublishReport(role="publish:binance", feed="binance", pid=world.side.pid("publish:binance"))
    world.reports["publish:binance"] = replace(publish, is_connected=True)
    assert world.look() == Alive(waits_for="its publish:binance has not published yet")
    world.reports["publish:binance"] = replace(publish, is_connected=True, slices=1)
    world.reports["ingest:binance"] = ingest(pid, frames=5, unheard=[("BTCUSDT", "trade")])
    assert world.look(MIN_SECS) == Alive(waits_for="binance BTCUSDT trade has not come over its connections yet")
    assert world.said == [Here, Connected, Stored]
    world.look(AWAITED_LIMIT_SECS)
    assert world.said[-1] == Sound


@pytest.mark.usefixtures("several")
def test_a_storage_hosts_processes_all_change_places_and_its_relay_has_to_reach_nats(tmp_path: Path) -> None:
    world = World(tmp_path, "storage")
    assert world.succession.first_processes == []
    waits = world.look()
    assert waits is not None
    assert waits.waits_for.startswith("the earlier relay, ")
    assert world.said == [Here, Connected]
    world.take_over("relay:binance", "writer", "archiver")
    assert {"relay:binance", "writer", "archiver"} <= {*world.side.steps[0].start}
    world.writes(durable_secs=world.side.secs + 1)
    assert world.look() == Alive(waits_for="its relay:binance has no connection to NATS yet")
    pid = world.side.pid("relay:binance")
    world.reports["relay:binance"] = RelayReport(role="relay:binance", feed="binance", pid=pid, is_connected=True)
    world.look()
    world.look(MIN_SECS)
    assert world.said == [Here, Connected, Stored, Sound]


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("slices", "frames", "waited_secs", "expected"),
    [
        (0, 5, 60.0, ["its publish:binance has not published yet"]),
        (1, 5, 0.0, []),
        (0, 0, QUIET_SECS - 1, ["its publish:binance has not published yet"]),
        (0, 0, QUIET_SECS, []),
    ],
)
def test_a_publisher_works_once_nats_has_confirmed_a_slice_or_if_nothing_comes(
    slices: int, frames: int, waited_secs: float, expected: list[str]
) -> None:
    publish = PublishReport(feed="binance", is_connected=True, slices=slices)
    told: Reports = {"ingest:binance": ingest(1, frames=frames), "publish:binance": publish}
    assert list(idle(["ingest:binance", "publish:binance", "cluster"], told, 0, waited_secs)) == expected


def test_no_stream_is_awaited_that_may_be_silent_or_that_nobody_brings() -> None:
    key, now_us = ("binance", "BTCUSDT", "trade"), 1_000_000_000
    recent_us = now_us - 5_000_000

    def found(**changes: object) -> list[str]:
        return list(awaited([key], [STREAM._replace(last_received_us=recent_us, **changes)], now_us))  # type: ignore[arg-type]

    assert found() == ["binance BTCUSDT trade"]
    assert found(silence_limit_secs=3_600.0) == []
    assert found(silence_limit_secs=4.0) == []
    assert found(silence_limit_secs=None) == []
    assert list(awaited([key], [], now_us)) == []
    assert list(awaited([], [STREAM], now_us)) == []


def test_a_process_of_it_that_ends_is_the_end_of_it(world: World) -> None:
    world.take_over()
    writer = next(child for child in world.side.children if child.role == "writer")
    writer.restarts, writer.exit_code = 1, -11
    world.look()
    assert world.said[-1] is Failed
    assert world.side.code == 1


def test_once_it_is_sound_or_told_to_stop_a_process_that_ends_is_its_own_to_start_again(tmp_path: Path) -> None:
    for case in ("sound", "told to stop"):
        world = World(tmp_path)
        world.take_over()
        world.writes(durable_secs=world.side.secs + 1, received_secs=world.side.secs)
        world.side.secs += MIN_SECS
        if case == "sound":
            world.look()
            assert Sound in world.said
        else:
            world.signals.note(15)
        next(child for child in world.side.children if child.role == "archiver").restarts = 1
        world.look()
        assert (Failed in world.said, world.side.code) == (False, None)


def test_the_other_programs_words_wake_it_until_that_has_gone(world: World) -> None:
    world.look()
    assert len(world.side.wakes) == 1
    world.earlier.send(Gone())
    world.succession.look(world.side, world.reports)  # type: ignore[arg-type]
    assert world.side.wakes == set()
    world.succession.look(world.side, world.reports)  # type: ignore[arg-type]
    assert (world.side.wakes, world.side.holds_signals) == (set(), False)


def test_a_signal_waits_and_is_told(world: World) -> None:
    world.signals.note(15)
    said = world.look()
    assert said is not None
    assert said.told_to_stop
    assert world.side.holds_signals
    assert world.side.code is None


def test_it_takes_the_place_when_the_earlier_one_has_gone_with_or_without_a_word(tmp_path: Path) -> None:
    for word in (Gone(notes=["done"]), None):
        world = World(tmp_path)
        world.take_over()
        if word is not None:
            world.earlier.send(word)
            world.earlier.close()
        else:
            world.earlier.close()
        world.side.secs += 1
        world.succession.look(world.side, world.reports)  # type: ignore[arg-type]
        assert world.succession.gone is not None
        assert world.succession.gone.notes == (["done"] if word else ["the earlier version ended by itself"])
        assert not world.side.holds_signals
        assert world.succession.first_connection("ingest:binance") == 1
        assert world.side.steps == [Steps(start=OTHERS)]


def test_if_the_earlier_one_ends_before_its_writer_has_left_ours_starts_all_the_same(world: World) -> None:
    world.earlier.close()
    world.side.secs += 1
    world.succession.look(world.side, world.reports)  # type: ignore[arg-type]
    assert world.side.steps == [Steps(start=OTHERS)]


def test_a_format_is_raised_if_the_earlier_program_cannot_read_it() -> None:
    assert raised_formats(FORMATS, FORMATS) == []
    assert raised_formats({"state": 4, "journal": 2}, {"state": 3, "journal": 2}) == ["state 3 -> 4"]
    assert raised_formats({"state": 3, "index": 1}, {"state": 4}) == ["index 0 -> 1"]
