"""What streams, buckets and readers of streams are asked of the servers to be like. Pure.

Source of the fields: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from typing import Any, Final

from collector.bus.names import stream, subject, token

SHORTEST_WINDOW_NS: Final = 100_000_000
"""The servers remember ids of messages at least that long. No message has one: positions tell copies, whenever they come."""

BUCKET_BYTES: Final = 64 << 20
INACTIVE_NS: Final = 60_000_000_000
"""A reader that asked for nothing for so long is forgotten by the servers."""


def stream_of(edge: str, feed: str, replicas: int, max_bytes: int) -> dict[str, Any]:
    """Settings of the stream of an edge's feed: what is stored stays until storage has it; a full stream takes nothing."""
    return _stream(stream(edge, feed), subject(edge, feed), replicas, max_bytes)


def bucket_of(bucket: str, replicas: int) -> dict[str, Any]:
    """Settings of a bucket of keys, of which each has one value."""
    return _stream(bucket_stream(bucket), key_subject(bucket, ">"), replicas, BUCKET_BYTES) | {
        "max_msgs_per_subject": 1,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
    }


def trial_stream(host: str, replicas: int, max_bytes: int) -> dict[str, Any]:
    """Settings of a stream that a host makes for a moment, to see whether it can.

    One of each size has a name of its own: servers may refuse one whose name was that of a stream they just removed.
    """
    name, subject = f"collector_check={token(host)}={max_bytes}", f"collector_check.{token(host)}.{max_bytes}"
    return _stream(name, subject, replicas, max_bytes)


def _stream(name: str, subjects: str, replicas: int, max_bytes: int) -> dict[str, Any]:
    return {
        "name": name,
        "subjects": [subjects],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_bytes": max_bytes,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "max_consumers": -1,
        "max_age": 0,
        "num_replicas": replicas,
        "duplicate_window": SHORTEST_WINDOW_NS,
        "allow_direct": False,
    }


def bucket_stream(bucket: str) -> str:
    """The stream behind a bucket."""
    return f"KV_{bucket}"


def key_subject(bucket: str, key: str) -> str:
    """The subject of a key's values."""
    return f"$KV.{bucket}.{key}"


def reader_of(first: int) -> dict[str, Any]:
    """Settings of a reader of a stream from sequence `first` on."""
    begin = {"deliver_policy": "by_start_sequence", "opt_start_seq": first} if first > 1 else {"deliver_policy": "all"}
    return _reader(begin)


def watcher_of(bucket: str) -> dict[str, Any]:
    """Settings of a reader of a bucket: the newest value of each key, and then what comes."""
    return _reader({"deliver_policy": "last_per_subject", "filter_subject": key_subject(bucket, ">")})


def _reader(begin: dict[str, Any]) -> dict[str, Any]:
    return {
        "ack_policy": "none",
        "replay_policy": "instant",
        "max_deliver": 1,
        "inactive_threshold": INACTIVE_NS,
        "num_replicas": 1,
        "mem_storage": True,
        **begin,
    }
