"""The archiver: sealed segments in, objects in a store out, oldest first. One thread, one loop.

The fate of its errors: a store that fails, or a disk that takes no files, is tried again for ever, and not waited for
once the process shall stop (segments then wait on disk, and that is no failure). Data of a newer version stops it. Any
other error is the segment's own: after three of them, or three deaths of the process while it made files from the
segment, the gap ledger says in the archive what is missing, the segment goes to `quarantine/`, and the next goes on.
"""

import gc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import backoff

from collector.domain.errors import RetryError, StopError
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.archive_store import look_at_remote, open_archive
from collector.processes.context import Context
from collector.processes.delivery import Delivery, Result
from collector.storage.attempts import Attempts, forget_attempts
from collector.storage.durable import sync
from collector.storage.objects import ObjectStore
from collector.storage.sealing import sealed_segments

MAX_ATTEMPTS: Final = 3
POLL_SECS: Final = 1.0
"""How often the folder is looked at when no notice comes."""

REPORT_SECS: Final = 1.0
_STOP_POLL_SECS: Final = 0.2

_COLLECT_AFTER: Final = 50_000
"""Objects made before Python looks for cycles among them: rows are none, and the looking took a seventh of the time."""


def run(context: Context) -> None:
    """Archive what is sealed until told to stop, and then what is sealed by then. Raises StopError."""
    gc.set_threshold(_COLLECT_AFTER)
    store = open_archive(context.config)
    look_at_remote(store, context.log)
    Archiver(context, store, adapter).run()


def retry_delays(base_secs: float, cap_secs: float) -> Iterator[float]:
    """Seconds to wait before each next try: exponential with full jitter, without end."""
    ceilings = backoff.expo(factor=base_secs, max_value=cap_secs)
    next(ceilings)  # the library's generators first take a value and give none
    return map(backoff.full_jitter, ceilings)


class Archiver:
    """`run` returns once it was told to stop and nothing is left that the store would take."""

    def __init__(self, context: Context, store: ObjectStore, adapter_of: Callable[[str], Adapter]) -> None:
        self._context = context
        self._clock = context.clock
        data_dir = context.config.data_dir
        self._segments = data_dir / "segments"
        self._quarantine = data_dir / "quarantine"
        self._delivery = Delivery(store, data_dir / "staging", adapter_of, self._insist, self._tick)
        self._new_delays = partial(
            retry_delays, context.config.archive.retry_base_delay_secs, context.config.archive.retry_max_delay_secs
        )
        self._delays_of_segment = self._new_delays()
        self._archived = 0
        self._quarantined = 0
        self._rows = 0
        self._bytes = 0
        self._last_error: str | None = None
        self._bytes_per_sec: float | None = None
        self._reported: float | None = None

    def run(self) -> None:
        """Work until told to stop, then until nothing is left."""
        self._delivery.clear_staging()
        forget_attempts(self._segments)
        while True:
            stopping = self._context.stopping()
            sealed = sealed_segments(self._segments)
            if sealed:
                try:
                    self._archive(sealed[0])
                except RetryError as error:
                    self._context.log.warning("segments_left_waiting", segments=len(sealed), error=str(error))
                    break
            elif stopping:
                break
            else:
                self._tick()
                self._context.receiver.wait(POLL_SECS)
        self._report()

    def _archive(self, path: Path) -> None:
        """One attempt. Raises RetryError only when stopping."""
        attempts = Attempts(path)
        before = attempts.count()
        try:
            if before < MAX_ATTEMPTS:
                self._deliver(path, attempts)
            else:
                self._set_aside(path, in_ledger=before < 2 * MAX_ATTEMPTS)
        except (RetryError, StopError):
            raise
        except Exception as error:
            # Whatever is wrong with one segment, the others go on: this one is tried again, then set aside.
            self._last_error = f"{path.stem}: {error}"
            self._context.log.warning("segment_failed", segment=path.stem, attempts=before + 1, exc_info=True)
            attempts.note(before + 1)
            if before + 1 < MAX_ATTEMPTS:
                self._wait(next(self._delays_of_segment))
        else:
            attempts.note(0)
            self._delays_of_segment = self._new_delays()

    def _deliver(self, path: Path, attempts: Attempts) -> None:
        size, began = path.stat().st_size, self._clock.monotonic()
        manifest = self._delivery.deliver(path, attempts)
        took_secs = self._clock.monotonic() - began
        self._archived += 1
        self._rows += manifest.rows
        self._bytes += sum(described.bytes for described in manifest.objects)
        self._bytes_per_sec = size / took_secs if took_secs > 0 else None
        self._context.log.info(
            "segment_archived",
            segment=path.stem,
            rows=manifest.rows,
            gaps=manifest.gaps,
            objects=len(manifest.objects),
            secs=round(took_secs, 3),
        )

    def _set_aside(self, path: Path, *, in_ledger: bool) -> None:
        """Say in the archive what is missing, and only then put the segment aside. Raises RetryError only when stopping.

        Not `in_ledger`: to say so has failed as often as to archive it; health and the hole in the chain of manifests say it.
        """
        config = self._context.config
        if in_ledger:
            self._delivery.deliver_remains(path, config.host_name, config.archive.compression_level)
        self._quarantine.mkdir(parents=True, exist_ok=True)
        path.rename(self._quarantine / path.name)
        sync(self._quarantine)
        sync(self._segments)
        self._quarantined += 1
        self._last_error = None
        self._context.log.error(
            "segment_quarantined", segment=path.stem, folder=str(self._quarantine), in_ledger=in_ledger
        )

    def _insist(self, step: Callable[[], Result]) -> Result:
        delays = self._new_delays()
        while True:
            try:
                result = step()
            except RetryError as error:
                self._last_error = str(error)
                if self._context.stopping():
                    raise
                delay_secs = next(delays)
                self._context.log.warning("store_failed", error=str(error), retry_secs=round(delay_secs, 3))
                self._wait(delay_secs)
            else:
                self._last_error = None
                return result

    def _wait(self, secs: float) -> None:
        """Wait, but not for long once told to stop."""
        until = self._clock.monotonic() + secs
        self._tick()
        while not self._context.stopping() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _STOP_POLL_SECS))
            self._tick()

    def _tick(self) -> None:
        if self._reported is None or self._clock.monotonic() - self._reported >= REPORT_SECS:
            self._report()

    def _report(self) -> None:
        self._reported = self._clock.monotonic()
        sealed = [path.stat() for path in sealed_segments(self._segments)]
        sizes = [stat.st_size for stat in sealed]
        rate = None if self._last_error else self._bytes_per_sec
        self._context.report(
            {
                "archived": self._archived,
                "quarantined": self._quarantined,
                "in_quarantine": len(sealed_segments(self._quarantine)),
                "uploaded_objects": self._delivery.uploaded_objects,
                "failed_uploads": self._delivery.failed_uploads,
                "backlog_segments": len(sizes),
                "backlog_bytes": sum(sizes),
                "backlog_since_us": min((stat.st_mtime_ns // 1_000 for stat in sealed), default=None),
                "last_error": self._last_error,
                "eta_secs": round(sum(sizes) / rate, 1) if rate else None,
                "rows": self._rows,
                "bytes": self._bytes,
            }
        )
