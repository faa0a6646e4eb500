"""Lists a folder that somebody may remove or move away at any moment, also while it is being listed."""

from pathlib import Path


def matching(folder: Path, pattern: str) -> list[Path]:
    """The paths in `folder` that match the glob pattern, sorted; none if the folder does not exist. Raises OSError.

    Path.glob looks whether the folder exists before it lists it, and raises FileNotFoundError if it goes in between.
    """
    try:
        return sorted(folder.glob(pattern))
    except FileNotFoundError:
        return []
