"""Small archives for tests: segments of a toy exchange, brought to any store."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from collector.domain.names import manifest_key
from collector.domain.records import Gap, StreamKey
from collector.storage.manifest import Manifest
from collector.storage.objects import ObjectStore
from collector.storage.sealed import open_sealed
from collector.storage.staging import stage
from tests.storage.segment_files import SEGMENT_ID, TRADES, Message, ToyTyping, make_segment

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
) -> Manifest:
    """Bring a segment with these messages to the store; files are made in `folder`."""
    folder.mkdir(parents=True)
    path = make_segment(folder, streams, messages, gaps=gaps, segment_id=segment_id, previous_segment=previous_segment)
    with open_sealed(path) as segment:
        files, manifest = stage(segment, lambda _exchange: ToyTyping(), folder, lambda: None)
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
