import pytest

from collector.domain.errors import DamagedError
from collector.storage.archive.manifest import Manifest, ManifestObject, decode_manifest

OBJECT = ManifestObject(
    key="exchange=toy/…",
    rows=1,
    bytes=2,
    sha256="0" * 64,
    exchange="toy",
    data_type="gap",
    symbol="_",
    date="2026-11-23",
    received_min=None,
    received_max=None,
    id_min=None,
    id_max=None,
)
MANIFEST = Manifest(1, "0.1.0", "20261123T120000Z-4f2a9c", None, "host-1", "a", "b", 0, 1, [OBJECT])


def test_a_manifest_reads_back_as_it_was() -> None:
    assert decode_manifest(MANIFEST.encode()) == MANIFEST


def test_a_manifests_keys_have_a_fixed_order() -> None:
    text = MANIFEST.encode().decode()
    keys = [line.split('"')[1] for line in text.splitlines() if line.startswith(' "')]
    assert keys == sorted(keys)
    assert text.endswith("\n")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", MANIFEST.encode()[:-20], MANIFEST.encode().replace(b"host-1", b"h\xcfst-1")]
)
def test_a_text_that_is_not_a_manifest_is_damage(content: bytes) -> None:
    with pytest.raises(DamagedError, match="not a manifest"):
        decode_manifest(content)
