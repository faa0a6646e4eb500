"""What a prune and local copies cost, an object: CPU µs of this process, and its memory. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_prune [--streams 1000] [--days 10] [--segments 24] [--bytes 4096]

A set of so many objects is kept as a local copy and removed again. Then an archive in a folder, of so many streams, days,
segments a day and bytes an object, is pruned of all days but the last, and verified.
"""

import argparse
import hashlib
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from collector.domain.names import ObjectPartition, date_of, manifest_key, object_key
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.old_days import OldDays
from collector.storage.archive.prune import Prune
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.archive.verify import Verification
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.local_archive import LocalArchive
from collector.storage.staging.staged_set import MANIFEST_NAME
from collector.storage.store.deleting import DeletingDirectoryStore

FIRST_DAY = 20_600
HOST = "host-1"


def manifest_of(day: int, segment: int, streams: int, content: bytes) -> Manifest:
    """The manifest of a segment with an object a stream, all of the same bytes."""
    date = date_of(day)
    segment_id = f"{date.replace('-', '')}T{segment:02}0000Z-4f2a9c"
    time_text = f"{date}T{segment:02}:00:00.000000Z"
    partitions = [ObjectPartition("toy", "trade", f"S{number:05}", date) for number in range(streams)]
    sha256 = hashlib.sha256(content).hexdigest()
    objects = [
        ManifestObject(
            object_key(one, HOST, segment_id), 1, len(content), sha256, one.exchange, one.data_type, one.symbol, date,
            time_text, time_text, None, None,
        )
        for one in partitions
    ]  # fmt: skip
    return Manifest(2, "0", segment_id, None, HOST, time_text, time_text, streams, 0, objects)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def measured(what: str, objects: int, work: Callable[[], object]) -> None:
    """Print the CPU time an object, and the most memory the process had by then."""
    began = time.process_time()
    work()
    spent_us = (time.process_time() - began) * 1e6 / objects
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:40} {spent_us:8.0f} µs an object, {objects} objects, {peak_mb:6.0f} MB at most")


def bench_prune(folder: Path, arguments: argparse.Namespace) -> None:
    content = os.urandom(arguments.bytes)
    for day in range(FIRST_DAY, FIRST_DAY + arguments.days):
        for segment in range(arguments.segments):
            manifest = manifest_of(day, segment, arguments.streams, content)
            for entry in manifest.objects:
                write(folder / entry.key, content)
            write(folder / manifest_key(HOST, manifest.segment_id), manifest.encode())
    store = DeletingDirectoryStore(folder)
    a_day = arguments.streams * arguments.segments
    selection = PruneSelection(date_of(FIRST_DAY + arguments.days - 1))
    old = OldDays(store, selection)
    objects = a_day * (arguments.days - 1)
    assert objects, "one day stays"
    measured("prune: the survey", a_day * arguments.days, lambda: old.look(lambda _: None))
    measured("prune: verify, write down, remove", objects, lambda: prune(store, old, selection))
    measured("verify what is left", a_day * arguments.days, lambda: list(Verification(store).findings()))


def prune(store: DeletingDirectoryStore, old: OldDays, selection: PruneSelection) -> None:
    for _ in Prune(store, old, selection, lambda: "2026-01-01T00:00:00.000000Z", dry=False).days(lambda _: None):
        pass


def bench_local(folder: Path, arguments: argparse.Namespace) -> None:
    content = os.urandom(arguments.bytes)
    staged = [staged_set(folder / "staging", hour, arguments.streams, content) for hour in range(2)]
    archive = LocalArchive(folder / "local", lambda: None)
    archive.open()
    measured("local copy: the first set of a day", arguments.streams, lambda: archive.add(staged[0]))
    measured("local copy: the next", arguments.streams, lambda: archive.add(staged[1]))
    for name, kept in zip(("one of two", "the last"), archive.manifests(date_of(FIRST_DAY)), strict=True):
        measured(f"local copy: remove {name}", arguments.streams, lambda kept=kept: archive.remove(kept))  # type: ignore[misc]


def staged_set(staging: Path, segment: int, streams: int, content: bytes) -> Path:
    """A set as the archiver stages it."""
    manifest = manifest_of(FIRST_DAY, segment, streams, content)
    folder = staging / manifest.segment_id
    for entry in manifest.objects:
        write(folder / object_file_name(entry.key), content)
    write(folder / MANIFEST_NAME, manifest.encode())
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("streams", 1000), ("days", 10), ("segments", 24), ("bytes", 4096)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-prune-") as folder:
        bench_local(Path(folder, "host"), arguments)
        bench_prune(Path(folder, "archive"), arguments)


if __name__ == "__main__":
    main()
