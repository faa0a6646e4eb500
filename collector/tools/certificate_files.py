"""The files of certificates in a folder."""

from pathlib import Path

from collector.certificates.certificate import CertificateFile, decode_certificate
from collector.domain.errors import DamagedError


def put(path: Path, content: bytes) -> None:
    """Write a file whole. It can be made again, so nobody waits until the disk has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def in_folder(folder: Path) -> list[Path]:
    """The files of all certificates in a folder."""
    return sorted(folder.glob("exchange=*/data_type=*/symbol=*/date=*.json"))


def read_file(path: Path) -> CertificateFile:
    """Read one. Raises DamagedError, which names it, and OSError."""
    try:
        return decode_certificate(path.read_bytes())
    except DamagedError as error:
        raise DamagedError(f"{path}: {error}") from error
