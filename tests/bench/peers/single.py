"""A typical script: one process, websockets + json + sqlite3, and at the end Parquet of the raw text with pyarrow.

Nothing is judged, typed or repaired, and what it had not committed is lost with it.
"""

import asyncio
import json
import time

import websockets
from sqlite_rows import BATCH, BATCH_SECS, Row, count, id_of, open_database, store, write_parquet
from telling import Task, stay, task, tell, tell_process, tell_stored


async def record(given: Task) -> None:
    """Until the last message is stored."""
    rows: list[Row] = []
    stored = 0
    db = open_database(given.folder / "messages.db")
    async with websockets.connect(given.url, max_size=None, ping_interval=None, compression=None) as socket:
        tell(ready=True)
        due = time.monotonic() + BATCH_SECS
        async for text in socket:
            message = json.loads(text)
            rows.append((message["stream"], id_of(message["data"]), time.time_ns(), text))
            if len(rows) >= BATCH or time.monotonic() >= due or stored + len(rows) == given.messages:
                store(db, rows)
                stored += len(rows)
                rows.clear()
                tell_stored(stored)
                due = time.monotonic() + BATCH_SECS
                if stored == given.messages:
                    break
    assert count(db) == given.messages
    tell(done=write_parquet(db, given.folder))
    stay()


if __name__ == "__main__":
    tell_process("script")
    asyncio.run(record(task()))
