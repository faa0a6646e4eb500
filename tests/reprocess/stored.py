"""Archives of segments whose frames an older version did not understand all."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from pyarrow import parquet as pq

from collector.domain.records import UNKNOWN, Gap, StreamKey
from collector.exchanges import registry
from collector.storage.archive.manifest import decode_manifest
from collector.storage.archive.schema import schema_of
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.archive_files import IDS, put_manifest
from tests.storage.segment.segment_files import NOON_US, Message, make_segment, message
from tests.storage.staging.staged_files import stage

TRADES = StreamKey("binance", "BTCUSDT", "trade")
BTC_UNDECODED = StreamKey("binance", "BTCUSDT", "undecoded")
UNDECODED = StreamKey("binance", UNKNOWN, "undecoded")
BITFINEX = StreamKey("bitfinex", UNKNOWN, "undecoded")
STREAMS = (TRADES, UNDECODED, BITFINEX, BTC_UNDECODED)

REASON = "unknown channel: trade"


def trade_frame(id_: int, price: str = "64000.10", symbol: str = "BTCUSDT") -> bytes:
    """A trade of Binance, `id_` seconds after noon."""
    at_ms = NOON_US // 1_000 + id_ * 1_000
    data = {"e": "trade", "E": at_ms, "s": symbol, "t": id_, "p": price, "q": "0.50", "T": at_ms, "m": False, "M": True}
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data}, separators=(",", ":")).encode()


def typed(id_: int, **changed: Any) -> Message:
    """A trade that was understood."""
    return message(0, id_, trade_frame(id_), **changed)


def undecoded(stream_id: int, at: int, frame: bytes, **changed: Any) -> Message:
    """A frame that was not understood, received `at` seconds after noon."""
    return message(stream_id, at, frame, exchange_us=None, **changed)


def store_segment(
    folder: Path, messages: Sequence[Message], streams: Sequence[StreamKey] = STREAMS, *, number: int = 0, previous: str = "", keep_raw: bool = False,
    gaps: Iterable[tuple[str, str, Gap]] = (), reasons: Iterable[tuple[int, str]] | None = None,
) -> DirectoryStore:  # fmt: skip
    """Bring a segment to the archive in `folder`."""
    store = DirectoryStore(folder / "archive")
    made = folder / f"made-{number}"
    made.mkdir(parents=True)
    if reasons is None:
        reasons = [(row, REASON) for row, one in enumerate(messages, 1) if streams[one[0]].data_type == "undecoded"]
    path = make_segment(
        made, streams, messages, gaps=gaps, reasons=reasons, segment_id=IDS[number], previous_segment=previous,
        keep_raw=str(int(keep_raw)),
    )  # fmt: skip
    with open_sealed(path) as segment:
        files, manifest = stage(segment, registry.adapter, made, lambda: None)
    for file in files:
        store.put(file.object.key, file.path, file.object.sha256)
    put_manifest(store, made, manifest)
    return store


def as_schema_1(root: Path) -> None:
    """Make all objects and manifests what version 1 would have written."""
    for place in root.glob("_manifest/*/*.json"):
        manifest = decode_manifest(place.read_bytes())
        objects = [_as_schema_1(root, entry) for entry in manifest.objects]
        place.write_bytes(msgspec.structs.replace(manifest, schema_version=1, objects=objects).encode())


def _as_schema_1(root: Path, entry: Any) -> Any:
    path, schema = root / entry.key, schema_of(entry.data_type, 1)
    assert schema is not None
    with pq.ParquetFile(path) as file:
        metadata = file.metadata.metadata | {b"collector.schema_version": b"1"}
        table = file.read().select(schema.names)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    content = path.read_bytes()
    return msgspec.structs.replace(entry, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
