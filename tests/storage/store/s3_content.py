"""What the tests of buckets put into them, and under which key."""

import hashlib

from collector.storage.store.object_store import ObjectInfo

KEY = "exchange=toy/data_type=trade/symbol=BTC%2FUSD/date=2026-11-23/host-1.parquet"
CONTENT = b"content" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
INFO = ObjectInfo(len(CONTENT), SHA256)
