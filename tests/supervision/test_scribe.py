"""Who waits for the disk in the supervisor's place."""

from functools import partial
from threading import Event

from collector.domain.log import Log
from collector.supervision.scribe import Scribe

PATIENCE_SECS = 60.0


def test_a_write_never_waits_and_only_the_newest_waiting_is_written() -> None:
    scribe, stalled, begun = Scribe(Log(print)), Event(), Event()
    written: list[str] = []

    def stall() -> None:
        begun.set()
        assert stalled.wait(PATIENCE_SECS)

    scribe.write("health", stall)
    assert begun.wait(PATIENCE_SECS)
    for text in ("first", "second", "third"):
        scribe.write("health", partial(written.append, text))
    scribe.write("coverage", lambda: written.append("coverage"))
    assert not scribe.finish(0.01)
    assert written == []
    stalled.set()
    assert scribe.finish(PATIENCE_SECS)
    assert written == ["third", "coverage"]


def test_what_cannot_be_written_holds_up_nothing() -> None:
    logged: list[str] = []
    written: list[str] = []
    scribe = Scribe(Log(lambda _level, fields: logged.append(fields["event"])))
    scribe.write("health", lambda: int("no number"))
    scribe.write("coverage", lambda: written.append("coverage"))
    assert scribe.finish(PATIENCE_SECS)
    assert written == ["coverage"]
    assert logged == ["status_failed"]
