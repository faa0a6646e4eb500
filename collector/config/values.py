"""Types of single values: sizes, times, names, symbols, folders.

Each check is a pure function that returns the normalized value, or raises ValueError with a reason that does not quote
the value. The `description` of a type completes "must be …" in error lines.
"""

import re
import sys
from pathlib import Path
from typing import Annotated, Final, TypeVar

from msgspec import Struct

from collector.config.rules import After, Allowed, Before, Earlier
from collector.domain.names import is_path_name
from collector.domain.redact import HIDDEN
from collector.domain.symbol_choice import MAX_TOP, TOP, is_exact, matcher, top_of

T = TypeVar("T")

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30
MAX_BYTES: Final = (1 << 63) - 1
DAY_SECS: Final = 86_400

_DAY_NS: Final = DAY_SECS * 1_000_000_000
_TOKEN_LENGTHS: Final = (16, 256)
_UNITS: Final = {"": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_NAMESPACE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SIZE: Final = re.compile(r"([0-9]{1,19})(?: ?(KiB|MiB|GiB))?")
# Percent-encoding may triple its length, and the folder `symbol=<symbol>` has a name of at most 255 bytes.
_MAX_SYMBOL_BYTES: Final = 80


class Secret(Struct, frozen=True):
    """A text that is never shown."""

    value: str

    def __repr__(self) -> str:
        return HIDDEN if self.value else "''"


def size_bytes(value: object) -> object:
    """Read "64MiB" or "1024" as a number of bytes; return anything else unchanged, for the type to refuse."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) * _UNITS[match[2] or ""] if match else value


def size_text(size: int) -> str:
    """Write a number of bytes with the largest unit that divides it: the inverse of `size_bytes`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def machine_name(name: str) -> str:
    """Turn the machine's name into a valid host name; `host` if no valid character is left."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._")[:64] or "host"


def word(text: str) -> str:
    """Refuse spaces and unprintable characters."""
    if " " in text or not text.isprintable():
        raise ValueError("contains a space or a control character")
    return text


def _path_name(text: str) -> str:
    if text and not is_path_name(text):
        raise ValueError("cannot be used in file names")
    return text


def _host_name(text: str) -> str:
    # Archive file names begin with the host name, and pyarrow silently skips files that begin with either.
    if text.startswith((".", "_")):
        raise ValueError("begins with a character that hides files from readers")
    return _path_name(text)


def _symbol(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    if text == "_":
        raise ValueError("is reserved for unknown symbols")
    if len(word(text).encode()) > _MAX_SYMBOL_BYTES:
        raise ValueError("is too long")
    return text


def _entry(text: str) -> str:
    if top_of(text) == 0:
        raise ValueError(f"has no whole number from 1 to {MAX_TOP} behind {TOP!r}")
    return _symbol(text)


def _exclusion(text: str) -> str:
    if top_of(text) is not None:
        raise ValueError("is neither a symbol nor a pattern")
    return _symbol(text)


def leaves_the_named(exclude: tuple[str, ...], earlier: Earlier) -> tuple[str, ...]:
    """Refuse to exclude what `symbols` names."""
    excluded = matcher(exclude)
    for entry in earlier.data.get("symbols", ()):
        if entry in exclude or (is_exact(entry) and excluded(entry)):
            raise ValueError(f"excludes {entry}, which symbols names")
    return exclude


def _token(secret: Secret) -> Secret:
    text = secret.value
    if text and (not word(text).isascii() or not _TOKEN_LENGTHS[0] <= len(text) <= _TOKEN_LENGTHS[1]):
        raise ValueError("is too short, too long or not ASCII")
    return secret


def some(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse an empty list. (`min_length` would count only the valid items.)"""
    if not values:
        raise ValueError("is empty")
    return values


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list with the same entry twice."""
    if len(set(values)) < len(values):
        raise ValueError("contains duplicates")
    return values


def _divides_a_day(secs: float) -> float:
    # In whole nanoseconds: in floating point, 1.2 would not divide a day.
    if _DAY_NS % round(secs * 1e9):
        raise ValueError("does not divide a day evenly")
    return secs


def _folder(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    if value == "" or not str(value).isprintable():
        raise ValueError("is not a path")
    if str(value).strip() != str(value):
        raise ValueError("begins or ends with whitespace")
    try:
        return same_for_all(Path(value).expanduser().absolute())
    except (RuntimeError, OSError) as error:
        raise ValueError("cannot be resolved to an absolute path") from error


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError("is no name of a namespace")
    return text


def _file(text: str) -> str:
    return str(_folder(text)) if text else ""


def same_for_all(path: Path) -> Path:
    """Refuse a path that libraries which encode file names as UTF-8 would understand differently than Python does."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8" and not str(path).isascii():
        where = f"file names are {encoding} in this locale; LC_ALL=C.UTF-8 makes them UTF-8"
        raise ValueError(f"is not all ASCII as an absolute path, and {where}")
    return path


def between(low: int, high: int, note: str = "") -> Allowed:
    """Field metadata: an integer from `low` to `high`."""
    return Allowed(f"a whole number from {low} to {high}{note}", ge=low, le=high)


def at_least(low: int) -> Allowed:
    """Field metadata: a size of at least `low` bytes."""
    allowed = f'a number of bytes or a size like "512KiB", "64MiB", "20GiB"; at least {size_text(low)}'
    return Allowed(allowed, ge=low, le=MAX_BYTES)


def not_below(other: str, times: int = 1) -> After:
    """Field metadata: at least `times` the value of the field `other`, which must be declared before it."""

    def check(value: float, earlier: Earlier) -> float:
        # If `other` is invalid itself, it is not in `data` and has its own error line.
        floor = earlier.data.get(other)
        if floor is not None and value < times * floor:
            shown = size_text(floor) if isinstance(floor, int) else f"{floor:g}"
            raise ValueError(f"is less than {f'{times} times ' if times > 1 else ''}{other} ({shown})")
        return value

    return After(check)


Size = Annotated[int, Before(size_bytes)]
Secs = Annotated[float, Allowed("a number of seconds above 0, at most 86400", gt=0, le=DAY_SECS)]
SecsOrNever = Annotated[
    float,
    Allowed("a number of seconds from 0 to 86400; 0 means never", ge=0, le=DAY_SECS),
]
SecsFromOne = Annotated[float, Allowed("a number of seconds from 1 to 86400", ge=1, le=DAY_SECS)]
Share = Annotated[float, Allowed("a number above 0, at most 1", gt=0, le=1)]
DayPart = Annotated[
    float,
    Allowed(
        "a number of seconds from 1 to 86400 that divides a day evenly, like 60, 300, 3600, 86400", ge=1, le=DAY_SECS
    ),
    After(_divides_a_day),
]
Name = Annotated[
    str,
    After(_path_name),
    Allowed('1 to 64 characters of A-Z a-z 0-9 . _ -, not "." or "..", or ""'),
]
HostName = Annotated[
    str,
    After(_host_name),
    Allowed('1 to 64 characters of A-Z a-z 0-9 . _ -, the first not . or _, or ""'),
]
Folder = Annotated[Path, Before(_folder), Allowed("the path of a folder")]
Namespace = Annotated[str, After(_namespace), Allowed("1 to 64 characters of a-z 0-9 _, the first a letter")]
FileOrNone = Annotated[str, After(_file), Allowed('the path of a file, or ""')]
Symbol = Annotated[
    str,
    After(_entry),
    Allowed(f'a string of 1 to {_MAX_SYMBOL_BYTES} bytes without spaces, not "_"'),
]
Symbols = Annotated[
    tuple[Symbol, ...],
    Allowed('a list of one or more symbols, patterns or "top:N", without duplicates'),
    After(some),
    After(distinct),
]
Exclusion = Annotated[
    str,
    After(_exclusion),
    Allowed(f"a symbol or a pattern of 1 to {_MAX_SYMBOL_BYTES} bytes without spaces"),
]
Exclusions = Annotated[
    tuple[Exclusion, ...],
    Allowed("a list of symbols and patterns without duplicates"),
    After(distinct),
]
Token = Annotated[
    Secret,
    After(_token),
    Allowed('16 to 256 printable ASCII characters without spaces, or ""'),
]
DataType = Annotated[str, Allowed("a data type of the exchange")]
DataTypes = Annotated[
    tuple[DataType, ...],
    Allowed("a list of one or more data types of the exchange, without duplicates"),
    After(some),
    After(distinct),
]
