"""What happens when standard output cannot be written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from collector.domain.errors import ConfigError


@contextmanager
def reported_output() -> Iterator[None]:
    """Print and flush inside: a reader that has closed the pipe is no error, any other failure is a ConfigError."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
    except OSError as error:
        discard_output()
        raise ConfigError([f"standard output cannot be written: {error.strerror}"]) from error


def discard_output() -> None:
    """Send what the interpreter still flushes at its end nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
