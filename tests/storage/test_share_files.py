"""The share of an edge is read as it was written, and what cannot be read is as good as none."""

from pathlib import Path

import pytest

from collector.domain.sharing import Share, View
from collector.storage.share_files import read_share, share_file, write_share

SHARE = Share("a", View(("a", "b"), 1), held=(View(("a",), 0),), ready=("b",), whole=("f",))


def test_a_share_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_share(tmp_path, 3, SHARE)
    found = read_share(tmp_path)
    assert found is not None
    assert (found.number, found.share) == (3, SHARE)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2, "number": 1, "share": {}}'])
def test_a_torn_or_newer_share_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    assert read_share(tmp_path) is None
    write_share(tmp_path, 3, SHARE)
    share_file(tmp_path).write_bytes(content)
    assert read_share(tmp_path) is None
