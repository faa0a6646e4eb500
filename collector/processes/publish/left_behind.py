"""What a stopped edge holds that storage does not have: whether its data directory may go."""

from collector.bus.places import EdgePlace, decode_place
from collector.config import Config
from collector.domain.errors import DamagedError
from collector.domain.log import Log
from collector.processes.journals import journal_folder
from collector.processes.publish.own_files import OwnFiles
from collector.reports import PublishReport


def lacking_bytes(config: Config, feed: str, told: bytes | None) -> int:
    """Journal bytes of a feed that storage lacks; `told` is what it told of the feed on this edge. Raises OSError."""
    folder = journal_folder(config, feed)
    epoch_file = folder / "epoch"
    epoch = epoch_file.read_text("ascii", "replace").strip() if epoch_file.exists() else ""
    nowhere = EdgePlace(epoch)
    try:
        place = nowhere if told is None else decode_place(told)
    except DamagedError:
        place = nowhere  # nobody can tell: all of it counts
    files = OwnFiles(folder, feed, Log(lambda _level, _fields: None))
    return files.lag(place if place.epoch == epoch else nowhere, files.look()).bytes


def lacking_at_most(config: Config, feed: str, last: PublishReport | None) -> int:
    """As `lacking_bytes`, by the last report of the process that published the feed: what came since counts as well."""
    files = OwnFiles(journal_folder(config, feed), feed, Log(lambda _level, _fields: None)).look()
    held_bytes = sum(file.size for file in files)
    if last is None or last.place_us is None:
        return held_bytes
    return min(held_bytes, last.lag_bytes + max(0, held_bytes - last.journal_bytes))
