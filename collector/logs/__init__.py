"""Structured logs that never hold up recording: lines wait in a bounded buffer, and one thread writes them.

What finds no room is dropped and counted, and a `log_lines_dropped` line says how many as soon as there is room again.
"""

from collector.logs.level import LevelFile
from collector.logs.limited import RATE_LIMIT_KEYS, RATE_LIMIT_SECS, RateLimited
from collector.logs.logger import FORMATS, LEVELS, Recent, dropped, flush, recent, set_level, setup
from collector.logs.sink import BUFFERED_LINES, LineSink

__all__ = [
    "BUFFERED_LINES",
    "FORMATS",
    "LEVELS",
    "RATE_LIMIT_KEYS",
    "RATE_LIMIT_SECS",
    "LevelFile",
    "LineSink",
    "RateLimited",
    "Recent",
    "dropped",
    "flush",
    "recent",
    "set_level",
    "setup",
]
