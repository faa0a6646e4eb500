"""Where each spawned process begins. Heavy imports happen only in the process that needs them."""

from functools import partial
from pathlib import Path

from collector.config import Config
from collector.domain.repair_protocol import is_rest_journal
from collector.processes.child_main import Assignment, ChildLinks, run_child
from collector.processes.context import Context
from collector.processes.disk_space import free_bytes, wait_for_room
from collector.storage.locks import RoleLock
from collector.storage.regular_files import regular_files

WRITER = "writer"
ARCHIVER = "archiver"
REPAIR = "repair"

_INGEST_PREFIX = "ingest:"


def is_role(name: str) -> bool:
    """Whether a child may have that role."""
    return name in {REPAIR, WRITER, ARCHIVER} or name.startswith(_INGEST_PREFIX)


def roles_seen(data_dir: Path) -> list[str]:
    """Every role that a child may still hold in this data directory, whatever was removed from `run/`."""
    named = (path.name.removesuffix(".lock") for path in regular_files(data_dir / "run", "*.lock"))
    feeds = (path.name for path in (data_dir / "journal").glob("*") if path.is_dir())
    return sorted({WRITER, ARCHIVER, *filter(is_role, named), *map(_role_behind, feeds)})


def stops_on_signal(role: str) -> bool:
    """Whether it leaves when signalled: the others leave only once the stage before them is dead, whatever comes."""
    return role == REPAIR or role.startswith(_INGEST_PREFIX)


def ingest_role(feed: str) -> str:
    """The role of the ingest of that feed."""
    return f"{_INGEST_PREFIX}{feed}"


def run_role(assignment: Assignment, config: Config, links: ChildLinks) -> None:
    """Be the process of that role: `ingest:<feed>`, `repair`, `writer` or `archiver`."""
    work = {REPAIR: _repair, WRITER: _write, ARCHIVER: _archive}.get(assignment.role)
    if work is None:
        work = partial(_ingest, feed_name=assignment.role.removeprefix(_INGEST_PREFIX))
    run_child(assignment, config, links, work)


def _ingest(context: Context, feed_name: str) -> None:
    from collector.exchanges.registry import adapter  # noqa: PLC0415 -- see the module's first line
    from collector.processes.ingest import process as process_module  # noqa: PLC0415 -- websocket-client is ingest's alone

    feed = next(feed for feed in context.config.feed if feed.name == feed_name)
    journal = process_module.begin_journal(context, feed)
    if journal is not None:
        process_module.run(context, feed, adapter(feed.exchange), journal)


def _write(context: Context) -> None:
    from collector.exchanges.registry import adapter  # noqa: PLC0415 -- see the module's first line
    from collector.processes.writer.process import Writer  # noqa: PLC0415 -- SQLite is the writer's alone

    # On a full disk not even a segment can be opened.
    wait_for_room(context, free_bytes, lambda: context.report({}), lambda: None)
    data_dir = context.config.data_dir
    Writer(context, adapter, lambda journal: RoleLock(data_dir, _role_behind(journal)).is_free()).run()


def _role_behind(journal: str) -> str:
    return REPAIR if is_rest_journal(journal) else ingest_role(journal)


def _repair(context: Context) -> None:
    from collector.exchanges.registry import adapter  # noqa: PLC0415 -- see the module's first line
    from collector.processes.repair import process as process_module  # noqa: PLC0415 -- urllib3 and TLS are repair's alone here

    process_module.run(context, adapter)


def _archive(context: Context) -> None:
    from collector.processes.archiver import process  # noqa: PLC0415 -- pyarrow is the archiver's alone

    process.run(context)
