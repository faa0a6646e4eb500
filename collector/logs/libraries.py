"""Turns what libraries send to the standard `logging` and `warnings` modules into log lines."""

import logging

from collector.domain.log import Log


class LibraryHandler(logging.Handler):
    """Logs the warnings and errors of libraries; without a handler Python would print them to standard error, which may block."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the library's arguments do not fit its own format
            text = str(record.msg)
        self._log.warning("library_warning", library=record.name, text=text, exc_info=record.exc_info)


def take_over_libraries(log: Log) -> None:
    """Log what libraries warn about with this logger from now on."""
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, LibraryHandler)]
    root.addHandler(LibraryHandler(log))
    logging.captureWarnings(capture=True)
