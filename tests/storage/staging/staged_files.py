"""Stages a segment as the archiver does, and says where each object's file is."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.segment.sealed_segment import SealedSegment
from collector.storage.staging import build
from collector.storage.staging.columns import RowReader
from collector.storage.staging.file_names import object_file_name


class StagedFile(NamedTuple):
    path: Path
    object: ManifestObject


class StagedSegment(NamedTuple):
    files: list[StagedFile]
    manifest: Manifest


def stage(
    segment: SealedSegment, row_reader_of: Callable[[str], RowReader], folder: Path, tick: Callable[[], None]
) -> StagedSegment:
    manifest = build.stage(segment, row_reader_of, folder, tick)
    files = [StagedFile(folder / object_file_name(described.key), described) for described in manifest.objects]
    return StagedSegment(files, manifest)
