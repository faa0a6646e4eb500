"""Where each spawned process begins. Heavy imports happen only in the process that needs them."""

from functools import partial

from collector.config import Config
from collector.processes.context import Context
from collector.processes.loop import Assignment, Links, run_child
from collector.processes.space import free_bytes, wait_for_room
from collector.storage.locks import RoleLock

WRITER = "writer"
ARCHIVER = "archiver"

_INGEST_PREFIX = "ingest:"


def ingest_role(feed: str) -> str:
    """The role of the ingest of that feed."""
    return f"{_INGEST_PREFIX}{feed}"


def run_role(assignment: Assignment, config: Config, links: Links) -> None:
    """Be the process of that role: `ingest:<feed>`, `writer` or `archiver`."""
    work = {WRITER: _write, ARCHIVER: _archive}.get(assignment.role)
    if work is None:
        work = partial(_ingest, feed_name=assignment.role.removeprefix(_INGEST_PREFIX))
    run_child(assignment, config, links, work)


def _ingest(context: Context, feed_name: str) -> None:
    from collector.exchanges.registry import adapter  # noqa: PLC0415 -- see the module's first line
    from collector.processes import ingest  # noqa: PLC0415 -- websocket-client is ingest's alone

    feed = next(feed for feed in context.config.feed if feed.name == feed_name)
    journal = ingest.begin_journal(context, feed)
    if journal is not None:
        ingest.run(context, feed, adapter(feed.exchange), journal)


def _write(context: Context) -> None:
    from collector.exchanges.registry import adapter  # noqa: PLC0415 -- see the module's first line
    from collector.processes.writer import Writer  # noqa: PLC0415 -- SQLite is the writer's alone

    # On a full disk not even a segment can be opened.
    wait_for_room(context, free_bytes, lambda: context.report({}), lambda: None)
    folder = context.config.data_dir / "run"
    Writer(context, adapter, lambda feed: RoleLock(folder, ingest_role(feed)).is_free()).run()


def _archive(context: Context) -> None:
    from collector.processes import archiver  # noqa: PLC0415 -- pyarrow is the archiver's alone

    archiver.run(context)
