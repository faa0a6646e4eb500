"""Relayed records keep where their slice came from."""

import struct
import zlib

import pytest

from collector.domain.errors import DamagedError
from collector.storage.journal.format import MAGIC, decode_header
from collector.storage.journal.relayed import (
    IN_HEAD,
    LINES_OF_SLOT,
    SLOTS,
    RelayedHead,
    decode_relayed,
    encode_head,
    feed_of_source,
    source_name,
)


def test_a_payload_keeps_head_and_bytes() -> None:
    head = RelayedHead("edge-1", 2, "ab", "f0", 3, 10, 90, IN_HEAD, late=True)
    payload = encode_head(head) + b"bytes"
    found = decode_relayed(payload)
    assert (found.head, payload[found.body_at :]) == (head, b"bytes")


@pytest.mark.parametrize("payload", [b"", b"abc", b"\xff\xff\xff\xffx", b"\x02\0\0\0{}"])
def test_anything_else_is_damaged(payload: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_relayed(payload)


def test_every_line_of_every_edge_fits_into_a_byte() -> None:
    assert SLOTS * LINES_OF_SLOT - 1 <= 127


def test_the_feed_of_a_source_is_found() -> None:
    assert feed_of_source(source_name("binance", "edge-1")) == feed_of_source("binance") == "binance"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"1", b'{"version":1}', b'{"version":"x"}', b'"\xff"', b"[" * 5_000]
)
def test_a_head_that_nobody_wrote_is_damaged_though_its_checksum_is_right(body: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_header(struct.pack("<8sII", MAGIC, len(body), zlib.crc32(body)) + body)
