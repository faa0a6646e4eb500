"""Small disks that are really there, and really full."""

import os
import subprocess
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs of `size_bytes`, mounted on `folder`."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        made = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
        if made.returncode:
            refuse = pytest.fail if os.environ.get("CI") else pytest.skip
            refuse(f"no small disk can be mounted here: {made.stderr.strip()}")

    def free_bytes(self) -> int:
        """Room for anybody."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all room but so much."""
        with self._ballast.open("ab") as ballast:
            while (more := self.free_bytes() - leave_bytes) > 0:
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.tell(), more)
                except OSError:
                    continue  # somebody was faster: there is less now
                ballast.seek(0, os.SEEK_END)

    def clear(self) -> None:
        """Give the room back."""
        self._ballast.unlink()

    def unmount(self) -> None:
        """Take it away; whoever still holds something there keeps it."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)
