"""Checks that this configuration can record here, and describes what would run: at the start and for --check."""

import errno
import multiprocessing
import os
import socket
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from collector.config import Config, FeedConfig
from collector.config.addresses import daily_problem
from collector.config.values import size_text
from collector.domain.errors import ConfigError, StoreError
from collector.domain.secrets import unfit_keys
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.feed.proxy import proxy_for
from collector.http.server import require_bindable
from collector.processes.archive_store import open_archive
from collector.processes.rest_adapters import asked_adapters, polled_types, repairable_adapters
from collector.processes.roles import ROLES, processes_of
from collector.read import demo_mark
from collector.storage.locks import supervisor_lock
from collector.storage.staging.local_archive import is_ours
from collector.storage.store.open import folder_of, is_remote
from collector.storage.version_check import refuse_newer_data
from collector.supervision import host_check, semaphores, table_check

_OWN_FOLDERS: Final = tuple(sorted({"quarantine", "run", *(role.folder for role in ROLES)}))
"""Folders of data_dir whose files the recorder makes and removes."""

_NAMES_WIDTH: Final = 90
"""Columns of a line of symbols, without its indent of ten."""


def require_usable(config: Config) -> None:
    """Raise ConfigError, with every problem, if this configuration cannot record here."""
    _refuse_demo_recording(config.data_dir)
    problems = [
        *_data_dir_problems(config.data_dir),
        *(_archive_problems(config) if config.stores else ()),
        *(_key_problems(config) if config.stores else ()),
        *(table_check.setting_problems(config) if config.stores else ()),
        *_feed_problems(config),
        *host_check.setting_problems(config),
    ]
    problems = problems or sorted(set(_proxy_problems(config)))
    if problems:
        raise ConfigError(problems)


def check(config: Config) -> list[str]:
    """Run all checks without recording; returns what would run, as lines. Raises ConfigError, NewerDataError."""
    from collector.supervision import symbol_check  # noqa: PLC0415 -- a recorder asks no exchange here, nor loads urllib3

    archive = _archive_folder(config)
    with new_folders_removed(config.data_dir, *([] if archive is None else [archive])):
        require_usable(config)
        refuse_newer_data(config.data_dir)
        recorder = _running_recorder(config.data_dir)
        answers = symbol_check.ask(config)
        hosts = host_check.ask(config)
        problems = [
            *_semaphore_problems(config), *(_store_problems(config) if config.stores else ()), *_disk_problems(config),
            *(table_check.problems(config) if config.stores else ()), *_http_problems(config), *symbol_check.problems(config, answers), *host_check.problems(hosts),
        ]  # fmt: skip
    if problems:
        raise ConfigError(problems)
    symbols = {feed.name: symbol_check.symbols_of(feed, answers) for feed in config.feed}
    lines = [
        *_plan(config, symbols),
        *symbol_check.lines(config, answers),
        *host_check.lines(hosts),
        *host_check.left_lines(config, hosts),
    ]
    left = host_check.segments_left(config)
    return [*lines, *_surroundings(config), *([f"warning   {left}"] if left else []), *recorder]


def doubts(config: Config) -> list[str]:
    """What a recorder goes on without and tries again: its port, and an archive that is a folder. A bucket is not asked."""
    archive = _archive_folder(config)
    with new_folders_removed(*([] if archive is None else [archive])):
        return [*_http_problems(config), *([] if archive is None else _store_problems(config))]


@contextmanager
def new_folders_removed(*folders: Path) -> Iterator[None]:
    """Remove those of these folders that are made inside, with those above and in them, unless there is a file in them."""
    missing = {folder for path in folders for folder in (path, *path.parents) if not folder.exists()}
    try:
        yield
    finally:
        made = [Path(inner) for folder in missing for inner, _, _ in os.walk(folder)]
        for folder in sorted(made, key=lambda folder: -len(folder.parts)):
            with suppress(OSError):
                folder.rmdir()


def _archive_folder(config: Config) -> Path | None:
    """The archive of this host if that is a folder."""
    return folder_of(config.archive_url) if config.stores else None


def _refuse_demo_recording(data_dir: Path) -> None:
    """The mark of a demo would make readers call real gaps on purpose."""
    if (data_dir / demo_mark.FILE_NAME).exists():
        raise ConfigError([f"data_dir: {data_dir} holds a demo's recording; choose another"])


def _data_dir_problems(folder: Path) -> Iterator[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield f"data_dir: {folder} cannot be written: {error.strerror}"


def _archive_problems(config: Config) -> Iterator[str]:
    """An archive inside a folder that the recorder cleans up would be removed too, and copies are of a bucket."""
    if problem := daily_problem(config.archive_url, config.daily_url):
        yield problem
    archive = folder_of(config.archive_url)
    if archive is None:
        yield from _copies_problems(config)
        return
    if config.archive.local_days:
        yield f"archive.local_days = {config.archive.local_days}: {archive} is on this machine already; it is for a bucket"
    data_dir, archive = config.data_dir.resolve(), archive.resolve()
    if data_dir.is_relative_to(archive):
        yield f"archive.url: {archive} contains data_dir ({data_dir}); name a folder beside or inside data_dir"
        return
    for name in _OWN_FOLDERS:
        own = (data_dir / name).resolve()
        if archive.is_relative_to(own) or own.is_relative_to(archive):
            yield f"archive.url: {archive} is a folder for the recorder's own files ({own}); name another folder"


def _copies_problems(config: Config) -> Iterator[str]:
    local = config.data_dir / "local"
    if config.archive.local_days and not is_ours(local):
        yield f"archive.local_days = {config.archive.local_days}: {local} holds other files: move them elsewhere"


def _feed_problems(config: Config) -> Iterator[str]:
    asked = repairable_adapters(config, adapter)
    for index, feed in enumerate(config.feed):
        if feed.name in asked:
            continue
        needs = "feed.rest_url beside feed.ws_url" if config.repair.enabled else "repair.enabled = true"
        if feed.wanted.needs_list:
            yield f"feed[{index}].symbols: patterns and top:N need {needs}: repair fetches the exchange's list"
        for data_type in sorted(polled_types(adapter(feed.exchange)) & set(feed.data_types)):
            yield f"feed[{index}].data_types = {data_type!a}: needs {needs}: repair polls it"
    for index, feed in enumerate(config.feed):
        try:
            adapter(feed.exchange).plan(_subscription(feed), feed.ws_url)
        except ConfigError as error:
            yield from (f"feed[{index}].{problem}" for problem in error.problems)


def _proxy_problems(config: Config) -> Iterator[str]:
    """The environment does not change while recording, so an unusable proxy would never work."""
    asked = [plan.url for feed in config.feed for plan in adapter(feed.exchange).plan(_subscription(feed), feed.ws_url)]
    sides = repairable_adapters(config, adapter)
    asked += [feed.rest_url or sides[feed.name].limits.url for feed in config.feed if feed.name in sides]
    for url in asked:
        try:
            proxy_for(url)
        except ValueError as error:
            yield str(error)


def _key_problems(config: Config) -> Iterator[str]:
    """The environment does not change while recording, so a key that cannot be sent would never work."""
    return unfit_keys(os.environ) if is_remote(config.archive_url) else iter(())


def _store_problems(config: Config) -> Iterator[str]:
    try:
        open_archive(config).check()
    except StoreError as error:
        yield f"archive.url: {config.archive_url} takes no objects: {error}"


def _semaphore_problems(config: Config) -> Iterator[str]:
    try:
        semaphores.require(len(processes_of(config)), multiprocessing.get_context("spawn"))
    except OSError as error:
        yield semaphores.lack(error)


def _disk_problems(config: Config) -> Iterator[str]:
    stat = os.statvfs(config.data_dir)
    free, wanted = stat.f_bavail * stat.f_frsize, config.journal.min_free_bytes
    if free < wanted:
        yield f"journal.min_free_bytes: {size_text(wanted)} must stay free, but {config.data_dir} has {free >> 20} MiB"


def _http_problems(config: Config) -> Iterator[str]:
    """A recorder also starts without its port and tries again; --check reports the port as a problem."""
    host, port = config.http.host, config.http.port
    try:
        if port:
            require_bindable(host, port)
    except socket.gaierror as error:
        yield f"http.host: {host} cannot be resolved on this machine: {error.strerror}"
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            yield f"http.host: {host} is not an address of this machine"
        elif error.errno != errno.EADDRINUSE:
            yield f"http.port: nothing can listen at {host}:{port}: {error.strerror}"
        elif not _is_recorders_own(config.data_dir, port):
            yield f"http.port: {host}:{port} is taken by another program; end that one, or choose another port"


def _running_recorder(data_dir: Path) -> list[str]:
    """A line that names the recorder of this data directory; none if no recorder runs on it."""
    lock = supervisor_lock(data_dir)
    try:
        if lock.is_free():
            return []
    except OSError as error:
        raise ConfigError([f"data_dir: {lock.path} cannot be read: {error.strerror}"]) from error
    return [f"note      a recorder is running on this data_dir (pid {lock.holder()}): another one cannot start"]


def _is_recorders_own(data_dir: Path, port: int) -> bool:
    """Whether the recorder that runs on this data directory listens on that port."""
    lock = supervisor_lock(data_dir)
    if lock.is_free() or not lock.holder().isdecimal():
        return False
    try:
        listening = psutil.Process(int(lock.holder())).net_connections("tcp")
    except psutil.Error:
        return True  # a process of another user cannot be inspected; most likely it is the recorder
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in listening)


def _plan(config: Config, symbols_of: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    yield f"host      {config.host_name}"
    if config.role != "all":
        yield f"role      {config.role}"
    yield f"data_dir  {config.data_dir}"
    if config.stores:
        yield from _archive_plan(config)
    for feed in config.feed:
        names = symbols_of[feed.name]
        plans = adapter(feed.exchange).plan(Subscription(names, tuple(feed.data_types)), feed.ws_url)
        streams = sum(plan.streams for plan in plans)
        yield (
            f"feed      {feed.name}: {feed.exchange}, {len(names)} symbols x {len(feed.data_types)} data types"
            f" = {streams} streams {f'on {len(plans) * feed.lines} connections' if config.receives else 'from edges'}"
        )
        symbols = textwrap.wrap(" ".join(names), _NAMES_WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from (f"          {line}" for line in symbols)


def _archive_plan(config: Config) -> Iterator[str]:
    server = f" at {config.archive.endpoint_url}" if config.archive.endpoint_url else ""
    yield f"archive   {config.archive_url}{server}"
    if config.archive.daily_url:
        yield f"          day files in {config.archive.daily_url}"
    if config.archive.local_days:
        yield f"          a copy of the last {config.archive.local_days} days in {config.data_dir / 'local'}"
    yield from table_check.lines(config)


def _surroundings(config: Config) -> Iterator[str]:
    yield f"processes supervisor, {', '.join(_process_counts(config))}"
    yield f"repair    {', '.join(asked_adapters(config, adapter)) or 'no feed'}"
    yield f"http      {config.http.host}:{config.http.port}" if config.http.port else "http      off"


def _process_counts(config: Config) -> Iterator[str]:
    for role in ROLES:
        names = role.process_names(config)
        if role.per_feed and names:
            yield f"{len(names)} {role.name}"
        elif not role.per_feed:
            yield from names


def _subscription(feed: FeedConfig) -> Subscription:
    return Subscription(feed.wanted.exact, tuple(feed.data_types))
