"""What a host with the role edge or storage needs besides a recorder alone, for its start and for --check."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.config import Config
from collector.processes.publish.left_behind import lacking_bytes
from collector.storage.unarchived import find_unarchived

if TYPE_CHECKING:
    from collector.bus.check import Found

INSTALL: Final = "pip install 'market-data-collector[hosts]'"

_FILES: Final = ("credentials_file", "tls_ca_file", "tls_certificate_file", "tls_key_file")


def setting_problems(config: Config) -> Iterator[str]:
    """What would never work: a package or a file that is missing. No server is asked."""
    if config.role == "all":
        return
    if importlib.util.find_spec("nats") is None:
        yield f"role = {config.role!a}: needs nats-py, which is not installed: {INSTALL}"
    for key in _FILES:
        path = getattr(config.nats, key)
        try:
            if path:
                Path(path).open("rb").close()
        except OSError as error:
            yield f"nats.{key}: {path} cannot be read: {error.strerror}"


def ask(config: Config) -> "Found | None":
    """Ask every server of the configuration what it is; None on a host that needs none. Raises ConfigError."""
    if config.role == "all":
        return None
    from collector.bus.check import check_servers  # noqa: PLC0415 -- imports nats-py, which a recorder alone may lack
    from collector.processes.nats_bus import options_of  # noqa: PLC0415 -- the same

    feeds = [feed.name for feed in config.feed] if config.receives else []
    return check_servers(options_of(config), config.host_name, feeds, config.edge.slice_bytes if config.receives else 0)


def left_lines(config: Config, found: "Found | None") -> Iterator[str]:
    """Whether the data directory of this edge holds what storage lacks, a line for each feed."""
    for feed, told in ({} if found is None else found.places).items():
        lacking = lacking_bytes(config, feed, told)
        what = f"storage lacks {lacking:,} bytes" if lacking else "storage has all"
        yield f"journal   {feed}: {what} of what this host received"


def segments_left(config: Config) -> str:
    """What an edge's data directory holds of a time when it stored itself, and how to finish it; empty if nothing."""
    if config.stores:
        return ""
    left = find_unarchived(config.data_dir)
    count = len(left.segments) + len(left.open_segments) + len(left.quarantined)
    if not count:
        return ""
    return (
        f"{config.data_dir} holds {count} segments that are not in the archive (segments/, staging/, quarantine/), and an "
        "edge archives none: to finish them, start this host once with its earlier role, all or storage"
    )


def problems(found: "Found | None") -> list[str]:
    """What is missing."""
    return [] if found is None else found.problems


def lines(found: "Found | None") -> Iterator[str]:
    """What was found out, a line each."""
    for line in [] if found is None else found.lines:
        yield f"nats      {line}"
    for warning in [] if found is None else found.warnings:
        yield f"warning   nats: {warning}"
