"""What libraries tell the standard `logging` module and `warnings`, as lines like any other."""

import logging

from structlog.typing import FilteringBoundLogger


class LibraryHandler(logging.Handler):
    """What a library tells the standard `logging` module; without a handler Python would print it to stderr, blocking."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the library's arguments do not fit its own format
            text = str(record.msg)
        self._log.warning("library_warning", library=record.name, text=text, exc_info=record.exc_info)


def take_over_libraries(log: FilteringBoundLogger) -> None:
    """Log the warnings of libraries with this logger from now on."""
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, LibraryHandler)]
    root.addHandler(LibraryHandler(log))
    logging.captureWarnings(capture=True)
