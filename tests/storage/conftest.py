from pathlib import Path

import pytest

from tests.storage.store.s3_content import CONTENT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to be put into a bucket."""
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path
