"""Waits between two looks, but not for a reader of standard output that is gone."""

import select
import sys


def wait_for_reader(secs: float) -> bool:
    """Wait so long; at once false if nobody can read standard output any more: a closed pipe, or a terminal that hung up."""
    gone = select.poll()
    gone.register(sys.stdout.fileno(), 0)
    return not gone.poll(secs * 1_000)
