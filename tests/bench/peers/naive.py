"""The pipeline as one draws it first: ingest, writer and archiver, three processes, each message through a Queue.

websocket-client without its UTF-8 check in Python, orjson, SQLite, and Parquet of the raw text at the end. Nothing is
judged, typed or repaired, and what stands in the Queues is lost with its process.
"""

import multiprocessing as mp
import queue
import sqlite3
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import orjson
import websocket
from sqlite_rows import BATCH, BATCH_SECS, Row, count, id_of, open_database, store, write_parquet
from telling import stay, task, tell, tell_process, tell_stored

DATABASE = "messages.db"


def write(source: "Queue[Row | None]", sealed: "Queue[bool]", folder: Path, messages: int) -> None:
    """Store what comes; then say that the database is whole."""
    tell_process("writer")
    db = open_database(folder / DATABASE)
    tell(open=True)
    stored, rows = 0, list[Row]()
    due = time.monotonic() + BATCH_SECS
    while stored < messages:
        try:
            row = source.get(timeout=BATCH_SECS)
        except queue.Empty:
            row = None
        if row is not None:
            rows.append(row)
        if rows and (len(rows) >= BATCH or time.monotonic() >= due or stored + len(rows) == messages):
            store(db, rows)
            stored += len(rows)
            rows = []
            tell_stored(stored)
            due = time.monotonic() + BATCH_SECS
    assert count(db) == messages
    sealed.put(True)
    source.get()


def archive(sealed: "Queue[bool]", folder: Path) -> None:
    """Write Parquet once the database is whole."""
    tell_process("archiver")
    sealed.get()
    tell(done=write_parquet(sqlite3.connect(folder / DATABASE), folder))
    sealed.get()


def main() -> None:
    """Be the ingest, and the parent of both others."""
    given = task()
    tell_process("ingest")
    messages: Queue[Any] = mp.Queue()
    sealed: Queue[bool] = mp.Queue()
    children = [
        mp.Process(target=write, args=(messages, sealed, given.folder, given.messages)),
        mp.Process(target=archive, args=(sealed, given.folder)),
    ]
    for child in children:
        child.start()
    socket = websocket.create_connection(given.url, skip_utf8_validation=True)
    tell(ready=True)
    for _ in range(given.messages):
        text = socket.recv()
        message = orjson.loads(text)
        messages.put((message["stream"], id_of(message["data"]), time.time_ns(), text))
    stay()
    messages.put(None)
    sealed.put(True)
    for child in children:
        child.join()


if __name__ == "__main__":
    main()
