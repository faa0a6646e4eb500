"""The configuration on its way to another process."""

import pickle
import zlib
from typing import Any

from collector.config.model import Config


class Packed:
    """Pickles small, and becomes the configuration itself where it is unpickled.

    Small enough to fit into the pipe to a child even with tens of thousands of symbols: the parent writes it while it also
    holds the pipe's reading end. If the child died before it read more than fits, the parent would wait for ever.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (zlib.compress(pickle.dumps(self._config)),)


def _unpacked(packed: bytes) -> Config:
    config: Config = pickle.loads(zlib.decompress(packed))  # noqa: S301 -- the parent of this process made it
    return config
