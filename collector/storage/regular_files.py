"""Files found by their names in the data directory, where anybody may have put something else of such a name.

A folder cannot be read, and whoever opens a pipe waits for its writer, maybe for ever: neither is ours.
"""

from pathlib import Path


def regular_files(folder: Path, pattern: str) -> list[Path]:
    """The regular files whose names match, in order; none where there is no folder. Raises OSError."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())
