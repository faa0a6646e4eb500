import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.errors import ConfigError
from collector.simulator.fault import FORMS, FRAME_KINDS, Fault, from_fields, parse
from collector.simulator.fault_effects import malformed, outcome
from collector.simulator.faults import ActiveFaults, decide
from collector.simulator.frames import Frame, combined, payload
from collector.simulator.outbox import Abort, Close, Half, Later, Note, Stall

FRAME = combined("btcusdt@trade", '{"e":"trade","t":1}')


def strikes(faults: tuple[Fault, ...], draws: list[float], stream: str = "a", connection: int | None = 1) -> list[str]:
    struck = []
    for draw in draws:
        fault, faults = decide(faults, draw, kinds=FRAME_KINDS, connection=connection, stream=stream)
        struck.append(fault.kind if fault else "")
    return struck


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop=0.01", Fault("drop", probability=0.01)),
        ("drop", Fault("drop", next=1)),
        ("drop,next=3,stream=btcusdt@trade", Fault("drop", next=3, stream="btcusdt@trade")),
        ("disconnect,after=1000,code=1001", Fault("disconnect", next=1, after=1000, code=1001)),
        ("http,status=503,next=2,retry_after_secs=4", Fault("http", next=2, status=503, retry_after_secs=4)),
        ("stall,secs=0.5,now=true", Fault("stall", next=1, secs=0.5, now=True)),
        ("drop=0.5,everywhere=true,connection=2", Fault("drop", probability=0.5, everywhere=True, connection=2)),
    ],
)
def test_a_fault_is_read_from_text(text: str, expected: Fault) -> None:
    assert parse(text) == expected


def test_a_fault_is_read_from_json() -> None:
    fields = json.loads('{"kind": "malformed", "form": "utf8", "probability": 0.25, "everywhere": true}')
    assert from_fields(fields) == Fault("malformed", form="utf8", probability=0.25, everywhere=True)


@pytest.mark.parametrize(
    "text",
    [
        "explode",
        "drop=2",
        "drop=x",
        "drop,often=3",
        "drop,next=x",
        "malformed,form=odd",
        "drop,now=true",
        "disconnect,code=999",
        "stall,now=maybe",
        "drop,next=-1",
        "drop,next=0",
        "drop,after=-1",
        "hole,now=true,ids=0",
        "stall,secs=-1",
        "stall,secs=nan",
        "http,retry_after_secs=-1",
    ],
)
def test_a_bad_fault_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("drop,often=3,next=x")
    assert len(caught.value.problems) == 2


def test_a_fault_with_next_strikes_n_times_and_ends() -> None:
    assert strikes((parse("drop,next=2"),), [0.9] * 4) == ["drop", "drop", "", ""]


def test_a_fault_lets_the_first_frames_pass() -> None:
    assert strikes((parse("drop,after=2"),), [0.0] * 4) == ["", "", "drop", ""]


def test_faults_with_a_probability_share_one_draw() -> None:
    faults = (parse("drop=0.2"), parse("duplicate=0.3"))
    assert strikes(faults, [0.0, 0.19, 0.2, 0.49, 0.5, 0.99]) == ["drop", "drop", "duplicate", "duplicate", "", ""]


def test_a_fault_of_another_stream_or_connection_does_not_strike() -> None:
    faults = (parse("drop,stream=a,connection=1"),)
    assert strikes(faults, [0.0], stream="b") == [""]
    assert strikes(faults, [0.0], connection=2) == [""]
    assert strikes(faults, [0.0]) == ["drop"]


def test_a_fault_everywhere_is_drawn_once_for_all_connections() -> None:
    everywhere, single = (parse("drop,everywhere=true"),), (parse("drop"),)
    assert strikes(everywhere, [0.0], connection=None) == ["drop"]
    assert strikes(everywhere, [0.0], connection=1) == [""]
    assert strikes(single, [0.0], connection=None) == [""]


@given(st.floats(0, 0.999), st.floats(0, 1), st.integers(0, 3))
def test_a_fault_without_next_stays(draw: float, probability: float, after: int) -> None:
    fault = Fault("drop", probability=probability, after=after)
    _, left = decide((fault,), draw, kinds=FRAME_KINDS, connection=1, stream="a")
    assert (fault.probability, fault.after) == (probability, after)
    assert [kept.probability for kept in left] == [probability]


def test_a_seed_strikes_the_same_frames_on_each_connection() -> None:
    alone, beside = (ActiveFaults(3, [parse("drop=0.5")]) for _ in range(2))
    first = [alone.strike(FRAME_KINDS, 1, "a") for _ in range(50)]
    second = []
    for _ in range(50):
        second.append(beside.strike(FRAME_KINDS, 1, "a"))
        beside.strike(FRAME_KINDS, 2, "a")
    assert first == second
    assert None in first
    assert any(first)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop", [Note(FRAME, "fault")]),
        ("duplicate", [FRAME, FRAME._replace(fault="duplicate")]),
        ("half", [Half(FRAME), Stall(None)]),
        ("disconnect", [Abort("fault"), FRAME]),
        ("disconnect,code=1012", [Close(1012, "fault"), FRAME]),
        ("stall,secs=3", [Stall(3.0), FRAME]),
    ],
)
def test_each_fault_has_its_outcome(text: str, expected: list[Any]) -> None:
    assert outcome(parse(text), FRAME, wrapped=True, at_ms=1) == expected


def test_a_shutdown_notice_has_the_connections_form_and_precedes_the_close() -> None:
    for wrapped, text in (
        (True, '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":5}}'),
        (False, '{"e":"serverShutdown","E":5}'),
    ):
        notice, later, frame = outcome(parse("shutdown,secs=2"), FRAME, wrapped=wrapped, at_ms=5)
        assert isinstance(notice, Frame)
        assert payload(notice.wire).decode() == text
        assert later == Later(2.0, Close(1001, "shutdown"))
        assert frame == FRAME


@pytest.mark.parametrize("form", FORMS)
def test_every_malformed_form_differs_from_the_frame_it_follows(form: str) -> None:
    good, bad = outcome(Fault("malformed", form=form), FRAME, wrapped=True, at_ms=1)
    assert good == FRAME
    assert isinstance(bad, Frame)
    assert bad.wire == malformed(form, FRAME)
    assert bad.wire != FRAME.wire
    assert bad.fault == "malformed"


def test_draws_are_uniform_enough_for_their_probability() -> None:
    faults = ActiveFaults(1, [parse("drop=0.25")])
    struck = sum(faults.strike(FRAME_KINDS, 1, "a") is not None for _ in range(4000))
    assert abs(struck / 4000 - 0.25) < 0.03
    assert random.Random("1:1").random() == random.Random("1:1").random()
