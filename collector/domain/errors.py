"""Every error of the project, sorted by what the caller does next.

CollectorError
├── StopError               stop, with the exit code it carries
│   ├── ConfigError         2: the configuration is wrong; each line names a key, its value and what is allowed
│   ├── NewerDataError      2: the data directory was written by a newer version
│   ├── AnotherInstanceError 3: another supervisor holds the data directory
│   └── CannotStartError    4: a child cannot start
├── RetryError              try again later; nothing was lost
│   ├── StoreError          the archive's store did not take or confirm an object
│   │   └── StoreRefusedError  … and will not until a person fixes it: say so at once, try again slowly
│   ├── CommitError         the open segment did not take a commit
│   ├── UnreadableError     a sealed segment cannot be read at present: leave it alone for a while
│   └── SegmentBusyError    a reader holds the open segment, so it cannot be sealed now
└── SetAsideError           keep this message or file apart, count it, go on with the next
    ├── UndecodableError    a frame, or a message in it, that the adapter cannot read
    └── DamagedError        a journal record or a segment whose bytes are not what was written
"""


class CollectorError(Exception):
    """The root of the project's own errors."""


class StopError(CollectorError):
    """The process ends with `exit_code` after printing this error's text."""

    exit_code = 1


class ConfigError(StopError):
    """The configuration cannot be used; `problems` holds one line for each fault."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[list[str]]]:
        """Let the error cross a process border whole."""
        return type(self), (self.problems,)


class NewerDataError(StopError):
    """The data on disk has a schema version this program does not know."""

    exit_code = 2


class AnotherInstanceError(StopError):
    """Another supervisor, or a child it left behind, holds the data directory."""

    exit_code = 3


class CannotStartError(StopError):
    """A child fails before all of them have been up once."""

    exit_code = 4


class RetryError(CollectorError):
    """The same step may succeed later."""


class StoreError(RetryError):
    """The store refused, did not answer, or holds other bytes than were put."""


class StoreRefusedError(StoreError):
    """The store answers, and its answer stays the same until a person fixes something: a key, a policy, a bucket."""


class CommitError(RetryError):
    """SQLite could not store a batch, and stored nothing of it: full disk, I/O error, a lock held too long."""


class UnreadableError(RetryError):
    """The system does not let a sealed segment be read: no descriptor left, no permission, a failing disk."""


class SegmentBusyError(RetryError):
    """Somebody reads the open segment; it stays open for now."""


class SetAsideError(CollectorError):
    """One thing cannot be used; it is kept apart and counted."""


class UndecodableError(SetAsideError):
    """A frame that cannot be read as a message of a subscribed stream."""


class DamagedError(SetAsideError):
    """Bytes on disk that fail their checksum or their form."""
