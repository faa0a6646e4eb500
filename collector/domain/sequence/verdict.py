"""What a message may turn out to be."""

from enum import Enum, auto


class Verdict(Enum):
    """What a message is in relation to its stream."""

    NEW = auto()
    AHEAD = auto()
    """New, and leaves a hole before it."""
    LATE = auto()
    """New, and fills a hole."""
    COPY = auto()
    """Same id, same content: dropped and counted."""
    CONFLICT = auto()
    """A known id with content that is new under it: stored and reported."""
    RESET = auto()
    """The first message of a new series."""
    BACK = auto()
    """New, but its id is not above the previous one on its line."""
