"""Records for whoever starts it: a person at a terminal sees the live view, a service manager or a pipe reads log lines."""

import os

from collector.config import Config
from collector.supervision.recorder import record
from collector.supervision.reload_plan import Source
from collector.terminal.attached import is_live


def run(
    config: Config, stop_after_secs: float | None = None, *, lines: bool = False, source: Source | None = None
) -> int:
    """Record until told to stop; returns the exit code. Raises StopError when recording cannot begin.

    With `lines`, or where standard output is no terminal, log lines go to standard output. Newer settings come from `source`.
    """
    if lines or not is_live(os.environ):
        return record(config, stop_after_secs=stop_after_secs, source=source)
    # Drawing needs rich; a recorder that nobody looks at does not load it.
    from collector.supervision.terminal_display import record_on_terminal  # noqa: PLC0415

    return record_on_terminal(config, stop_after_secs, source)
