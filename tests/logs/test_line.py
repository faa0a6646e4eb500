import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.logs.line import MAX_LINE_BYTES, as_json, as_text, line

BASE = {
    "ts": "2026-11-23T14:03:07.000001Z",
    "level": "info",
    "process": "writer",
    "event": "segment_sealed",
    "run_id": "r1",
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def read(event: dict[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(line(event, as_json))
    return parsed


def test_a_json_line_is_the_event_in_its_order() -> None:
    assert line({**BASE, "rows": 123}, as_json) == (
        b'{"ts":"2026-11-23T14:03:07.000001Z","level":"info","process":"writer",'
        b'"event":"segment_sealed","run_id":"r1","rows":123}\n'
    )


def test_a_text_line_reads_from_left_to_right() -> None:
    event = {**BASE, "rows": 123, "segment": "20261123T120000Z-4f2a9c", "why": "clock passed the hour", "empty": ""}
    assert line(event, as_text).decode() == (
        "2026-11-23 14:03:07 INFO  writer  segment_sealed  "
        'rows=123 segment=20261123T120000Z-4f2a9c why="clock passed the hour" empty=""\n'
    )


def test_a_text_line_without_fields_ends_with_its_event() -> None:
    assert line({**BASE, "level": "warning"}, as_text) == b"2026-11-23 14:03:07 WARN  writer  segment_sealed\n"


def test_exchange_text_cannot_steer_a_terminal() -> None:
    evil = "\x1b]0;owned\x07 one\ntwo\r\x9b31m\u202e"
    text = line({**BASE, "frame": evil}, as_text).decode()
    assert text.endswith('frame="\\u001b]0;owned\\u0007 one\\ntwo\\r\\x9b31m\\u202e"\n')


def test_a_value_with_an_equals_sign_or_a_quote_is_quoted() -> None:
    assert line({**BASE, "said": 'rows=9 "x"'}, as_text).decode().endswith('said="rows=9 \\"x\\""\n')


def test_a_long_value_is_cut_with_a_mark_and_the_others_stay() -> None:
    event = read({**BASE, "frame": "x" * 5_000_000, "rows": 7})
    assert event["frame"] == "x" * 1_000 + "[cut from 5000000 characters]"
    assert event["rows"] == 7


def test_many_long_values_share_the_line() -> None:
    event = read({**BASE, **{f"field_{number}": "x" * 900 for number in range(10)}})
    assert event["field_9"] == "x" * 300 + "[cut from 900 characters]"


def test_more_fields_than_a_line_can_hold_are_counted() -> None:
    event = read({**BASE, **{f"field_{number}": "x" * 900 for number in range(500)}})
    assert event == {**BASE, "fields_cut": 500}


def test_an_exception_is_one_field_with_type_message_and_trace() -> None:
    def inner() -> None:
        raise ValueError("bad level\nat 3")

    try:
        try:
            inner()
        except ValueError as cause:
            raise OSError("no space") from cause
    except OSError as error:
        event = {**BASE, "exception": error}
    exception = read(event)["exception"]
    assert exception["type"] == "OSError"
    assert exception["message"] == "no space (because of ValueError: bad level\nat 3)"
    assert exception["trace"].startswith("test_line.py:")
    assert b'exception="OSError: no space (because of ValueError: bad level\\nat 3) (test_line' in line(event, as_text)


def test_urls_lose_their_secrets_wherever_they_stand() -> None:
    error = ConnectionError("GET wss://u:planted@h/?key=planted failed")
    written = line({**BASE, "url": "wss://u:planted@h/", "error": error, "urls": ["s3://planted@b?k=planted"]}, as_json)
    assert b"planted" not in written


def test_an_object_that_cannot_be_shown_is_named() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert read({**BASE, "value": Broken()})["value"] == "<Broken that cannot be shown: RuntimeError>"


def test_bytes_are_read_as_text_and_bad_ones_are_marked() -> None:
    assert read({**BASE, "frame": b"caf\xc3\xa9 \xff"})["frame"] == "café \\xff"


def test_a_list_that_holds_itself_ends() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert read({**BASE, "loop": loop})["event"] == "segment_sealed"


@given(st.dictionaries(st.text(min_size=1).map("f_".__add__), anything))
def test_any_value_makes_one_bounded_line_without_control_characters(fields: dict[str, Any]) -> None:
    for form in (as_json, as_text):
        written = line({**BASE, **fields}, form)
        assert len(written) <= MAX_LINE_BYTES
        assert written.endswith(b"\n")
        assert written[:-1].decode().isprintable()


@given(st.dictionaries(st.text(min_size=1).map("f_".__add__), anything))
def test_a_json_line_is_valid_json(fields: dict[str, Any]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(line({**BASE, **fields}, as_json), parse_constant=refuse)["event"] == "segment_sealed"
