"""What follows from how far storage has this edge's journal. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from collector.bus.places import EdgePlace, FilePlace
from collector.bus.slices import EndedFile
from collector.storage.journal.head import headless_id
from collector.storage.journal.position import Position

MOST_ENDED: Final = 8
"""So many files that ended are named in each slice."""


class OwnFile(NamedTuple):
    """A journal file of this edge."""

    file_id: str
    number: int
    size: int


def positions(place: EdgePlace, feed: str, files: Iterable[OwnFile]) -> dict[str, Position]:
    """From where each file is to be published, by file id; those that are not named from their beginning."""
    known = {file.file_id: file for file in place.files}
    found: dict[str, Position] = {}
    for file in files:
        at = known.get(file.file_id)
        if at is not None:
            found[file.file_id] = Position(file.file_id, feed, file.number, at.offset, at.ended)
        elif file.number < place.done_below:
            found[file.file_id] = Position(file.file_id, feed, file.number, file.size, ended=True)
    return found


def is_lost(place: EdgePlace, files: Collection[OwnFile]) -> bool:
    """Whether this edge no longer has all that follows: a file that has not ended is gone, or shorter than storage has it."""
    sizes = {file.file_id: file.size for file in files}
    return any(not at.ended and sizes.get(at.file_id, -1) < at.offset for at in place.files)


def highest_number(place: EdgePlace) -> int:
    """Of the files that storage has seen; 0 if it has seen none."""
    return max((file.number for file in place.files), default=max(place.done_below - 1, 0))


def is_one_gone_between(highest: int, number: int, others: Collection[int]) -> bool:
    """Whether a file is gone between the highest number published so far and this one; `others` are there, or were read.

    Numbers follow each other, whoever writes: what has none was removed before it was published.
    """
    return highest > 0 and any(other not in others for other in range(highest + 1, number))


def is_another_journal(place: EdgePlace, feed: str, files: Iterable[OwnFile]) -> bool:
    """Whether somebody removed the journal that storage knows, or put another in its place: its numbers say nothing then.

    The newest file always stays, so one is there that is as new as the newest that storage has. Where a number is one that
    storage knows, it is the same file. One whose head could not be read is no sign of anything.
    """
    known = {file.number: file.file_id for file in place.files}
    own = {file.number: file.file_id for file in files}
    is_other = any(is_another_file(known, feed, number, file_id) for number, file_id in own.items())
    return is_other or max(own, default=0) < highest_number(place)


def is_another_file(known: Mapping[int, str], feed: str, number: int, file_id: str) -> bool:
    """Whether a file has the number of one of another id."""
    ids = {file_id, known.get(number, file_id)}
    return len(ids) > 1 and headless_id(feed, number) not in ids


def is_of_another_journal(listed: Mapping[int, str], feed: str, number: int, file_id: str) -> bool:
    """Whether a file that came since those were listed, by number, is not of their journal: its numbers only rise."""
    is_below = number not in listed and number < max(listed, default=0)
    return is_below or is_another_file(listed, feed, number, file_id)


def ended_files(place: EdgePlace) -> list[EndedFile]:
    """The newest files that storage has to their end, the newest last."""
    ended = sorted((file for file in place.files if file.ended), key=lambda file: file.number)
    return [EndedFile(file.file_id, file.number, file.offset) for file in ended[-MOST_ENDED:]]


def is_there(place: EdgePlace, at: FilePlace) -> bool:
    """Whether storage has a file as far as `at` says."""
    if at.number < place.done_below:
        return True
    known = next((file for file in place.files if file.file_id == at.file_id), None)
    return known is not None and known.offset >= at.offset and known.ended >= at.ended


def removable(place: EdgePlace, files: Collection[OwnFile]) -> Mapping[OwnFile, int]:
    """The files that storage has to their end, each with that end; never the newest, from which numbers go on."""
    newest = max((file.number for file in files), default=0)
    ends = {file.file_id: file.offset for file in place.files if file.ended}
    older = [file for file in files if file.number != newest]
    return {
        file: ends.get(file.file_id, file.size)
        for file in older
        if file.file_id in ends or file.number < place.done_below
    }
