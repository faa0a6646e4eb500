"""Small archives for tests: segments of a toy exchange, brought to any store."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.domain.names import manifest_key
from collector.domain.records import Gap, StreamKey
from collector.storage.archive.manifest import Manifest
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.staging.columns import RowReader
from collector.storage.store.object_store import ObjectStore
from tests.storage.segment.segment_files import SEGMENT_ID, TRADES, Message, ToyRowReader, make_segment
from tests.storage.staging.staged_files import stage

IDS = [f"20261123T1{hour}0000Z-4f2a9c" for hour in range(10)]
"""Of segments an hour apart, from 10 o'clock on."""


def archive(
    store: ObjectStore,
    folder: Path,
    messages: Iterable[Message],
    streams: Sequence[StreamKey] = (TRADES,),
    gaps: Iterable[tuple[str, str, Gap]] = (),
    *,
    segment_id: str = SEGMENT_ID,
    previous_segment: str = "",
    host: str = "host-1",
    reader: RowReader | None = None,
) -> Manifest:
    """Bring a segment with these messages to the store; files are made in `folder`. A toy exchange reads them, or `reader`."""
    folder.mkdir(parents=True)
    path = make_segment(
        folder, streams, messages, gaps=gaps, segment_id=segment_id, previous_segment=previous_segment, host=host
    )
    with open_sealed(path) as segment:
        files, manifest = stage(segment, lambda _exchange: reader or ToyRowReader(), folder, lambda: None)
    for file in files:
        store.put(file.object.key, file.path, file.object.sha256)
    put_manifest(store, folder, manifest)
    return manifest


def put_manifest(store: ObjectStore, folder: Path, manifest: Manifest) -> None:
    """Put a manifest where it belongs."""
    content = manifest.encode()
    (folder / "manifest").write_bytes(content)
    key = manifest_key(manifest.host, manifest.segment_id)
    store.put(key, folder / "manifest", hashlib.sha256(content).hexdigest())


def change_entry(manifest: Path, number: int, **changed: Any) -> None:
    """Damage an entry of a manifest's file; a value that is `...` takes the field away."""
    content = json.loads(manifest.read_text("utf-8"))
    fields = content["objects"][number] | changed
    content["objects"][number] = {name: value for name, value in fields.items() if value is not ...}
    manifest.write_text(json.dumps(content), "utf-8")


ENTRY_FAULTS: Mapping[str, dict[str, Any]] = {
    "leaves the archive": {"key": "../outside.parquet"},
    "leaves it further in": {"key": "exchange=toy/../../../outside.parquet"},
    "absolute key": {"key": "/tmp/outside.parquet"},
    "long key": {"key": "x" * 300},
    "folder": {"key": "exchange=toy/data_type=trade"},
    "NUL in the key": {"key": "exchange=toy\0.parquet"},
    "empty key": {"key": ""},
    "key is a number": {"key": 7},
    "other key and rows are text": {"key": "7", "rows": "1"},
    "rows are text": {"rows": "1"},
    "bytes are a fraction": {"bytes": 1.5},
    "times are a list": {"received_min": []},
    "no checksum": {"sha256": ...},
    "other checksum": {"sha256": "0"},
    "symbol is null": {"symbol": None},
    "other symbol": {"symbol": "X/Y"},
    "symbol of 300 characters": {"symbol": "x" * 300},
    "no date": {"date": "../.."},
    "negative bytes": {"bytes": -1},
    "negative rows": {"rows": -1},
    "more rows than a number can be": {"rows": 10**30},
}
"""Ways in which an entry cannot be what was written; each leaves the rest of the manifest as it is."""
