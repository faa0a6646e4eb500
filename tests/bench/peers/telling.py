"""What a peer tells the benchmark: a line of JSON for each event, and it stays until it has been looked at.

The events: `process` and `pid` of each process; `ready` once it is connected; `stored` with the number of messages that
are durable and when; `done` with the number of rows that it has counted in what it wrote.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path


class Task(argparse.Namespace):
    """Where to connect, how many messages will come, and the folder to write to."""

    url: str
    messages: int
    folder: Path


def task() -> Task:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    return parser.parse_args(namespace=Task())


def tell(**facts: object) -> None:
    """One line, in one piece, as several processes share the pipe."""
    os.write(1, json.dumps(facts).encode() + b"\n")


def tell_process(name: str) -> None:
    """That this is the process of that name."""
    tell(process=name, pid=os.getpid())


def tell_stored(messages: int) -> None:
    """That so many are durable now."""
    tell(stored=messages, at_ns=time.time_ns())


def stay() -> None:
    """Until the benchmark has looked at this process for the last time."""
    sys.stdin.read()
