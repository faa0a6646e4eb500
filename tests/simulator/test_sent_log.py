import base64
import json
from pathlib import Path

from collector.simulator.frames import BINARY, Frame, wire
from collector.simulator.sent_log import SentLog

FRAME = Frame("a@trade", wire('{"x":"é\\u0000"}'.encode()))


def test_text_is_logged_as_text_and_other_bytes_as_base64(tmp_path: Path) -> None:
    log = SentLog(tmp_path / "log")
    bad = Frame("a", wire(b"\xff\xfe"))
    log.frames(1, [FRAME, Frame("b", wire(b"\x00", BINARY)), bad, FRAME._replace(fault="duplicate")])
    log.dropped(1, FRAME, "fault")
    log.event(2, "connect", path="/ws")
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [line.get("raw") for line in lines[:4]] == ['{"x":"é\\u0000"}', None, None, '{"x":"é\\u0000"}']
    assert [base64.b64decode(line["b64"]) for line in lines[1:3]] == [b"\x00", b"\xff\xfe"]
    assert lines[3]["fault"] == "duplicate"
    assert (lines[4]["event"], lines[4]["why"], lines[4]["raw"]) == ("dropped", "fault", lines[0]["raw"])
    assert (lines[5]["event"], lines[5]["connection"], lines[5]["path"]) == ("connect", 2, "/ws")
    assert all(line["at_ns"] > 0 for line in lines)


def test_without_a_path_nothing_is_kept(tmp_path: Path) -> None:
    log = SentLog(None)
    log.frames(1, [FRAME])
    log.event(1, "connect")
    log.flush()
    log.close()
    assert list(tmp_path.iterdir()) == []
