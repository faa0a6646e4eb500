"""The files of certificates in a folder."""

from pathlib import Path, PurePath
from typing import Final

from collector.certificates.certificate import Certificate, CertificateFile, decode_certificate, stream_key
from collector.domain.errors import DamagedError

_PATTERN: Final = "exchange=*/data_type=*/symbol=*/date=*.json"


def put(path: Path, content: bytes) -> None:
    """Write a file whole. It can be made again, so nobody waits until the disk has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def in_folder(folder: Path) -> list[Path]:
    """The files of all certificates in a folder."""
    return sorted(folder.glob(_PATTERN))


def is_in_anothers_place(path: Path, one: Certificate) -> bool:
    """Whether a file is where the certificate of another stream or day belongs; a file outside such folders is nowhere."""
    place = PurePath(*path.absolute().parts[-4:])
    return place.match(_PATTERN) and place.as_posix() != f"{stream_key(one.stream, one.date)}.json"


def read_file(path: Path) -> CertificateFile:
    """Read one. Raises DamagedError, which names it, and OSError."""
    try:
        return decode_certificate(path.read_bytes())
    except DamagedError as error:
        raise DamagedError(f"{path}: {error}") from error
