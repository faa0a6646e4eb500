"""Lists files by name pattern, without folders, pipes and devices that somebody put there under such a name.

A folder cannot be read, and opening a pipe may block forever: neither is one of the recorder's files.
"""

from pathlib import Path

from collector.folders import matching


def regular_files(folder: Path, pattern: str) -> list[Path]:
    """The regular files whose names match, sorted; none if the folder does not exist. Raises OSError."""
    return [path for path in matching(folder, pattern) if path.is_file()]
