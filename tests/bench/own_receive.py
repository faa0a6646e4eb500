"""The recorder's receive step alone, counted as a peer's is: every message as bytes, nothing kept."""

import sys
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent / "peers")]

from telling import stay, task, tell, tell_process, tell_stored

from collector.feed.connection import open_connection
from collector.feed.outbox import Pace
from collector.processes.context import SystemClock


def main() -> None:
    """Until all came."""
    tell_process("receive")
    given = task()
    connection = open_connection(given.url, (), Pace(1.0), SystemClock())
    tell(ready=True)
    missing = given.messages
    while missing:
        batch = connection.read()
        missing -= len(batch.frames) if batch else 0
    tell_stored(given.messages)
    tell(done=given.messages)
    stay()


if __name__ == "__main__":
    main()
