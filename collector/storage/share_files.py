"""What an edge is to record of its feeds' symbols: the process `cluster` writes it, ingest follows it.

The file, `run/shares.json`, is replaced as a whole and not synced: one that a power cut tore is as good as none, and without
any an edge records everything.
"""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from collector.domain.sharing import Share

VERSION: Final = 1
"""The version of the file's format. A file of a newer version is as good as none."""


class NumberedShare(Struct, frozen=True):
    """What the file holds; the names of the fields are its format."""

    version: int
    number: int
    """Rises whenever the share changes."""
    share: Share


_decoder: Final = msgspec.json.Decoder(NumberedShare)


def share_file(data_dir: Path) -> Path:
    """Where the share of this edge stands."""
    return data_dir / "run" / "shares.json"


def write_share(data_dir: Path, number: int, share: Share) -> None:
    """Replace the share. Raises OSError; then the one before stays."""
    path = share_file(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(msgspec.json.encode(NumberedShare(VERSION, number, share)))
    draft.replace(path)


def read_share(data_dir: Path) -> NumberedShare | None:
    """The newest share; None if there is none that this program can read."""
    try:
        found = _decoder.decode(share_file(data_dir).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.version == VERSION else None
