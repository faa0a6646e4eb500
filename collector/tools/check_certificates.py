"""`collector certify --check`: holds certificates against a store, and says in what they do not hold."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from collector.certificates.certificate import CertificateFile, from_base64
from collector.certificates.check import Finding, object_findings, signature_findings
from collector.certificates.signing import fingerprint, public_key_in
from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.storage.store.object_store import ObjectStore
from collector.tools.archive_args import opened
from collector.tools.certificate_files import in_folder, is_in_anothers_place, read_file

_NOT_HERE: Final = {
    "--from": "from_time", "--to": "to_time", "--exchange": "exchange", "--symbol": "symbol",
    "--data-type": "data_type", "--data-dir": "data_dir", "--out": "out",
}  # fmt: skip
"""Options that say what to certify."""


def check(arguments: argparse.Namespace) -> int:
    """Check and print; returns the exit code. Raises ConfigError, DamagedError or StoreError for what cannot be checked."""
    if given := [option for option, name in _NOT_HERE.items() if getattr(arguments, name)]:
        raise ConfigError([f"--check looks at whole certificates: {given[0]} belongs to making them"])
    public_key = None if arguments.key is None else public_key_in(arguments.key)
    files = [(path, read_file(path)) for path in _named(arguments.check)]
    store = opened(arguments.store, arguments.config)
    checked = []
    for path, file in files:
        findings = [*_place_findings(path, file), *signature_findings(file, public_key)]
        findings += object_findings(file.certificate, store)
        checked.append(_as_object(path, file, findings))
        if not arguments.json:
            _print_checked(path, file, findings, store)
    if arguments.json:
        print(json.dumps(checked, indent=2))
    return 1 if any(one["findings"] for one in checked) else 0


def _place_findings(path: Path, file: CertificateFile) -> Iterator[Finding]:
    one = file.certificate
    if is_in_anothers_place(path, one):
        yield Finding("false", "", f"it stands in another's place: it is of {' '.join(one.stream)} {one.date}")


def _named(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise ConfigError([f"{path} does not exist; name a certificate, or a folder of them"])
        found = in_folder(path) if path.is_dir() else [path]
        if not found:
            raise ConfigError([f"there is no certificate in {path}"])
        yield from found


def _print_checked(path: Path, file: CertificateFile, findings: list[Finding], store: ObjectStore) -> None:
    one = file.certificate
    for finding in findings:
        print(f"{finding.kind:8} {printable(finding.key or str(path))}: {printable(finding.text)}")
    if not findings:
        name = printable(" ".join(one.stream))
        print(
            f"{name} {one.date} is {one.state}, as certified: {one.messages} messages at {store.url}; {_signer(file)}"
        )


def _signer(file: CertificateFile) -> str:
    return f"signed by {_fingerprint(file)}" if file.signature else "not signed"


def _fingerprint(file: CertificateFile) -> str | None:
    if file.signature is None:
        return None
    return fingerprint(from_base64(file.signature.public_key))


def _as_object(path: Path, file: CertificateFile, findings: list[Finding]) -> dict[str, Any]:
    one = file.certificate
    return {
        "file": str(path),
        **one.stream._asdict(),
        "date": one.date,
        "state": one.state,
        "signed_by": _fingerprint(file),
        "findings": [finding._asdict() for finding in findings],
    }
