"""Blocks that staging writes and reads again: what it has to keep and does not fit into memory."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from collector.storage.segment.blocks import BlockDecoder, BlockEncoder, Messages

_BLOCK_ROWS: Final = 1_024
_BLOCK_BYTES: Final = 64 << 10
"""Most messages and text in a block, unless it is one message: a merge holds a block of each run."""


class Place(NamedTuple):
    """Where a block is in the file."""

    offset: int
    columns_bytes: int
    payloads_bytes: int


class Scratch:
    """A file of blocks. It is made when the first is written, and goes with the process that has it open."""

    def __init__(self, path: Path, tick: Callable[[], None]) -> None:
        """`tick` is called with every block."""
        self._path = path
        self._tick = tick
        self._fd = -1
        self._end = 0
        self._encoder = BlockEncoder()
        self._decoder = BlockDecoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def write(self, messages: Messages) -> Iterator[tuple[Messages, Place]]:
        """Write messages in blocks; of each what it holds and where it is. Raises OSError."""
        for part in messages.parts(_BLOCK_ROWS, _BLOCK_BYTES):
            (block,) = self._encoder.blocks([part])
            place = Place(self._end, len(block.columns), len(block.payloads))
            self._append(block.columns + block.payloads)
            self._tick()
            yield part, place

    def read(self, place: Place) -> Messages:
        """The messages of a block, in the order in which they were written. Raises DamagedError, OSError."""
        self._tick()
        packed = os.pread(self._fd, place.columns_bytes + place.payloads_bytes, place.offset)
        (messages,) = self._decoder.messages(packed[: place.columns_bytes], packed[place.columns_bytes :])
        return messages

    def _append(self, packed: bytes) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._path.unlink()
        rest = memoryview(packed)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._end += len(packed)
