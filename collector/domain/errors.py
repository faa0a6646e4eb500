"""Every error of the project, sorted by what the caller does next.

CollectorError
├── StopError               stop, with the exit code it carries
│   ├── ConfigError         2: the configuration is wrong; each line names a key, its value and what is allowed
│   ├── NewerDataError      2: the data directory was written by a newer version
│   ├── AnotherInstanceError 3: another supervisor holds the data directory
│   └── CannotStartError    4: a child process cannot start
├── RetryError              try again later; nothing was lost
│   ├── StoreError          the archive's store did not accept or confirm an object
│   │   └── StoreRefusedError  … and will not until a person fixes it: report it at once, retry slowly
│   ├── CommitError         a commit to the open segment failed
│   ├── UnreadableError     a sealed segment cannot be read at present: retry after a pause
│   └── SegmentBusyError    a reader holds the open segment, so it cannot be sealed now
└── SetAsideError           keep this message or file apart, count it, go on with the next
    ├── UndecodableError    a frame, or a message in it, that the adapter cannot decode
    └── DamagedError        a journal record or a segment whose bytes are not what was written
"""


class CollectorError(Exception):
    """The base class of the project's own errors."""


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
        """Pickle the error with its problems, so that it can be sent to another process."""
        return type(self), (self.problems,)


class NewerDataError(StopError):
    """The data on disk has a schema version this program does not know."""

    exit_code = 2


class AnotherInstanceError(StopError):
    """Another supervisor, or a child process it left behind, holds the data directory."""

    exit_code = 3


class CannotStartError(StopError):
    """A child process failed before all of them had been up once."""

    exit_code = 4


class RetryError(CollectorError):
    """The same step may succeed later."""


class StoreError(RetryError):
    """The store refused, did not answer, or holds bytes other than those put."""


class StoreRefusedError(StoreError):
    """The store answers, and will refuse until a person fixes something: a key, a policy, a bucket."""


class CommitError(RetryError):
    """SQLite could not store a batch and stored nothing of it: full disk, I/O error, a lock held too long."""


class UnreadableError(RetryError):
    """The system does not allow a sealed segment to be read: no file descriptor left, no permission, a failing disk."""


class SegmentBusyError(RetryError):
    """Somebody reads the open segment, so it stays open for now."""


class SetAsideError(CollectorError):
    """A message or file cannot be used; it is kept apart and counted."""


class UndecodableError(SetAsideError):
    """A frame cannot be decoded as a message of a subscribed stream."""


class DamagedError(SetAsideError):
    """Bytes on disk that fail their checksum or their form."""
