import struct
from pathlib import Path

import pytest

from tests.monitoring.pictures import DOCS, DOCS_SIZE, SCENES, Picture, take

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"


def size(picture: Path) -> dict[str, int]:
    """Source: the PNG specification, the header chunk."""
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return dict(zip(("width", "height"), struct.unpack(">II", head[16:]), strict=True))


def test_the_command_takes_the_pictures_of_the_docs(tmp_path: Path) -> None:
    take(tmp_path, DOCS)
    for name in DOCS:
        assert size(tmp_path / f"{name}.png") == size(IMAGES / f"{name}.png") == DOCS_SIZE


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_fits_a_phone(tmp_path: Path, scene: str) -> None:
    take(tmp_path, {scene: Picture(scene, {"width": 360, "height": 780})})
    assert size(tmp_path / f"{scene}.png")["width"] == 360
