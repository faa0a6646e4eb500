"""Certifies what an archive has of each day of each stream: messages, seconds
that are verified, unverifiable and broken, gaps with cause and repair, and the
hash of every object, which the store is asked for. Reads the archive only.

Writes a JSON file a day and stream, signed if a key is given, and beside them
heatmap.svg and index.html, which show every certificate in the folder. The same
archive gives the same bytes, so a day can be certified again. With a recorder's
data directory, days that are still on their way are pending.

With --check it holds certificates against an archive, or a copy of its objects:
nothing else is needed, and no network.

Exit code: 0 done, 1 --check found something, 2 nothing could be certified or
checked.
"""

import argparse
import json
from collections import Counter
from datetime import date
from pathlib import Path

from collector.certificates.certificate import CertificateFile, stream_key
from collector.certificates.certify import Choice, certificates
from collector.certificates.check import KINDS
from collector.certificates.heatmap import Cell, svg
from collector.certificates.heatmap_page import page
from collector.certificates.signing import Signer
from collector.domain.errors import ConfigError, DamagedError, RetryError
from collector.domain.names import END_US
from collector.domain.records import StreamKey
from collector.domain.redact import printable
from collector.read.errors import MissingExtraError
from collector.read.holdings import Holdings
from collector.read.window import Window
from collector.tools.archive_args import (
    STORE_HELP,
    add_config,
    data_dir_of,
    is_folder,
    opened,
    progress,
    require_archive,
    require_known,
)
from collector.tools.certificate_files import in_folder, is_in_anothers_place, put, read_file
from collector.tools.check_certificates import check
from collector.tools.moments import add_period, moment_us, require_order

_KINDS = "\n".join(f"  {kind:9} {text}" for kind, text in KINDS.items())
EXAMPLES = f"""findings of --check:
{_KINDS}

examples:
  %(prog)s                                    the configured archive, every day
  %(prog)s s3://bucket/prefix --from 2d --key recorder.key
  %(prog)s data/archive --symbol BTCUSDT --out certificates
  %(prog)s --check certificates --key recorder.pub data/archive
"""
DEFAULT_OUT = Path("certificates")


def run(arguments: argparse.Namespace) -> int:
    """Certify, or check; returns the exit code. Raises ConfigError or StoreError."""
    try:
        return check(arguments) if arguments.check else _certify(arguments)
    except (DamagedError, RetryError, MissingExtraError) as error:
        raise ConfigError(str(error).splitlines()) from error


def _certify(arguments: argparse.Namespace) -> int:
    require_order(arguments.from_time or 0, arguments.to_time or END_US)
    when = Window(arguments.from_time or 0, arguments.to_time or END_US)
    signer = None if arguments.key is None else Signer(arguments.key)
    holdings = _holdings(arguments)
    choice = Choice(*(frozenset(getattr(arguments, name)) for name in ("exchange", "symbol", "data_type")))
    out = arguments.out or DEFAULT_OUT
    states: dict[StreamKey, Counter[str]] = {}
    with progress() as bar:
        task = bar.add_task("streams", total=None)
        for one in certificates(holdings, choice, when, lambda total: bar.update(task, total=total, advance=1)):
            signature = None if signer is None else signer.sign(one)
            path = out / f"{stream_key(one.stream, one.date)}.json"
            put(path, CertificateFile(one, signature).encode())
            states.setdefault(one.stream, Counter())[one.state] += 1
    if not states:
        _refuse(holdings, choice)
    cells = sorted(map(_cell, in_folder(out)))
    put(out / "heatmap.svg", svg(cells).encode())
    put(out / "index.html", page(cells).encode())
    _print_written(states, out, as_json=arguments.json)
    return 0


def _holdings(arguments: argparse.Namespace) -> Holdings:
    """Raises ConfigError for what is no archive."""
    data_dir: Path | None = arguments.data_dir
    named = arguments.store or (None if data_dir is None else str(data_dir / "archive"))
    for folder in (named, data_dir):
        if folder is not None and not is_folder(folder):
            raise ConfigError([f"{folder} is not a folder; name an archive, or --data-dir of a recorder"])
    if named is None:
        configured = data_dir_of(arguments.config)
        data_dir = configured if configured.is_dir() else None
    return Holdings(opened(named, arguments.config), data_dir, None)


def _refuse(holdings: Holdings, choice: Choice) -> None:
    """Raises ConfigError with the reason why there was nothing to certify."""
    streams = holdings.streams()
    if not streams:
        require_archive(holdings.store)
    for name, wanted, number in (
        ("exchange", choice.exchanges, 0),
        ("symbol", choice.symbols, 1),
        ("data type", choice.data_types, 2),
    ):
        require_known(name, wanted, {stream[number] for stream in streams})
    raise ConfigError(["no stream has a day of that choice"])


def _cell(path: Path) -> Cell:
    """Raises DamagedError for a file that is no certificate, or another's."""
    one = read_file(path).certificate
    if is_in_anothers_place(path, one):
        raise DamagedError(f"{path}: it is the certificate of {' '.join(one.stream)} {one.date}")
    return Cell(
        one.stream, date.fromisoformat(one.date), one.state, one.messages, one.verified_us, one.unverifiable_us,
        one.broken_us, one.absent_us, one.unrepaired_gaps,
    )  # fmt: skip


def _print_written(states: dict[StreamKey, Counter[str]], out: Path, *, as_json: bool) -> None:
    if as_json:
        streams = [{**stream._asdict(), "days": dict(sorted(days.items()))} for stream, days in states.items()]
        print(json.dumps({"out": str(out), "streams": streams}, indent=2))
        return
    for stream, days in states.items():
        print(f"{printable(' '.join(stream))}: {_days(days)}")
    print(f"{_days(sum(states.values(), Counter()))} in {out}; look at {out / 'index.html'}")


def _days(states: Counter[str]) -> str:
    total = states.total()
    said = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{total} day{'' if total == 1 else 's'} ({said})"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    parser.add_argument(
        "--check", metavar="FILE", type=Path, action="append", default=[],
        help="hold this certificate, or every one in this folder, against STORE; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--key", metavar="FILE", type=Path, help="Ed25519 key in PEM: the private one signs, the public one checks"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="where certificates go (default: certificates)")
    parser.add_argument(
        "--data-dir", metavar="DIR", type=Path, help="of a recorder: what is not archived yet is pending"
    )
    for name in ("exchange", "symbol", "data-type"):
        parser.add_argument(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add_period(parser, moment_us)
    parser.add_argument("--json", action="store_true", help="print an object")
    add_config(parser)
