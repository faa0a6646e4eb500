"""Structured logs that never hold up recording: lines wait in a bounded buffer, and one thread writes them.

A line for which the buffer has no room, or which cannot be written, is dropped and counted. A `log_lines_dropped` line
says how many as soon as lines can be written again.
"""

from collector.logs.level import FormatFile, LevelFile
from collector.logs.limited import RATE_LIMIT_KEYS, RATE_LIMIT_SECS, RateLimited
from collector.logs.log_file import LogFile, LogFileWriter
from collector.logs.logger import FORMATS, LEVELS, dropped, flush, recent, set_format, set_level, setup
from collector.logs.sink import BUFFERED_LINES

__all__ = [
    "BUFFERED_LINES",
    "FORMATS",
    "LEVELS",
    "RATE_LIMIT_KEYS",
    "RATE_LIMIT_SECS",
    "FormatFile",
    "LevelFile",
    "LogFile",
    "LogFileWriter",
    "RateLimited",
    "dropped",
    "flush",
    "recent",
    "set_format",
    "set_level",
    "setup",
]
