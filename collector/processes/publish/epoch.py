"""The name of a feed's journal on this edge, which changes once the journal is lost: then its files' numbers begin anew."""

import re
import secrets
from pathlib import Path
from typing import Final

from collector.storage.durable import write_durably

_EPOCH: Final = re.compile(rb"[0-9a-f]{16}")


def epoch_of(folder: Path) -> str:
    """The epoch of the journal in that folder; the first to ask makes it, durably. Raises OSError."""
    path = folder / "epoch"
    try:
        known = path.read_bytes().strip()
    except FileNotFoundError:
        known = b""
    if _EPOCH.fullmatch(known):
        return known.decode("ascii")
    return begin_epoch(folder)


def begin_epoch(folder: Path) -> str:
    """Begin another epoch of the journal in that folder, durably; returns it. Raises OSError."""
    epoch = secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / "epoch", f"{epoch}\n".encode())
    return epoch
