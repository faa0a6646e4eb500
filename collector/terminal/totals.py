"""Counts since the start, feed by feed and for the whole recorder, as a terminal shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from collector.terminal.hosts import between_hosts, receives, stores
from collector.terminal.tables import age, counts, number, shown, size, span


def totals(status: Mapping[str, Any], now: datetime, *, brief: bool = False) -> Table:
    """A row a feed, then writer, repair, archive and disk; `brief` leaves out what is seldom looked at."""
    archive, disk, repair = status["archive"], status["disk"], status["repair"]
    made = Table.grid(padding=(0, 2))
    stopped = {process["name"] for process in status["processes"] if _has_stopped(process)}
    for feed in status["feeds"]:
        has_stopped = f"ingest:{feed['feed']}" in stopped
        told = _feed(feed, now) if receives(status) else Text.assemble("data ", age(feed["last_data_at"], now))
        made.add_row(shown(f"feed {feed['feed']}"), Text("stopped") if has_stopped else told)
    for name, figures in between_hosts(status):
        made.add_row(shown(name), figures)
    if not brief and stores(status):
        _add_writer(made, status["writer"], status["segments"])
    if repair["waiting"]:
        waiting, answered = sum(repair["waiting"].values()), sum(repair["answered"].values())
        requests = {"requests waiting": waiting, "answered": answered, "failed tries": repair["failed"]}
        made.add_row("repair", counts(requests))
    if stores(status) and (not brief or archive["failed_uploads"]):
        uploads = counts({"objects uploaded": archive["uploaded_objects"], "failed tries": archive["failed_uploads"]})
        made.add_row("archive", uploads)
    if archive["backlog_segments"]:
        made.add_row("archive", _backlog(archive))
    if archive["last_error"]:
        made.add_row("archive", shown(f"last error: {archive['last_error']}", "red"))
    full = f"full in {span(disk['full_in_secs'])}" if disk["full_in_secs"] is not None else "not filling"
    made.add_row("disk", f"{size(disk['free_bytes'])} free, {full}")
    return made


def feeds_in_one_line(status: Mapping[str, Any], now: datetime) -> Text:
    """All feeds together; `data` is the age of the newest data of the feed that has waited longest."""
    feeds: Sequence[Mapping[str, Any]] = status["feeds"]
    opened, lines = (sum(feed[name] for feed in feeds) for name in ("connections_open", "connections"))
    line = Text(f"feeds ({len(feeds)}): ")
    if receives(status):
        line.append(f"{opened} of {lines} lines open", "" if opened == lines else "yellow")
        line.append(f", {number(sum(feed['reconnects'] for feed in feeds))} reconnects, ")
    line.append("data ")
    never = [feed for feed in feeds if feed["last_data_at"] is None]
    oldest = None if never else min((feed["last_data_at"] for feed in feeds), default=None)
    line.append_text(age(oldest, now))
    return line


def _has_stopped(process: Mapping[str, Any]) -> bool:
    return process["state"] == "draining" and process["pid"] is None


def _feed(feed: Mapping[str, Any], now: datetime) -> Text:
    connections, opened = feed["connections"], feed["connections_open"]
    line = Text.assemble(
        (f"{opened} of {connections} lines open", "" if opened == connections else "yellow"),
        f", {number(feed['reconnects'])} reconnects, data ",
        age(feed["last_data_at"], now),
    )
    if feed["clock_offset_secs"] is not None:
        line.append(f", clock {feed['clock_offset_secs'] * 1000:+,.0f} ms")
    return line


def _add_writer(made: Table, writer: Mapping[str, Any], segments: Mapping[str, int]) -> None:
    batch = f"{number(writer['batch_size'])} of at most {number(writer['batch_limit'])} rows"
    names = ("messages", "duplicates", "undecodable", "refused")
    made.add_row("writer", counts({name: writer[name] for name in names}))
    made.add_row("batch", f"{batch}, last commit took {span(writer['commit_secs'])}")
    made.add_row("segments", counts(segments))


def _backlog(archive: Mapping[str, Any]) -> str:
    """What is not in the archive yet, how fast it goes up, and how long that takes."""
    left = f"to go: {number(archive['backlog_segments'])} segments, {size(archive['backlog_bytes'])}"
    per_sec = f", {size(archive['bytes_per_sec'])}/s" if archive["bytes_per_sec"] else ""
    eta = f", done in {span(archive['eta_secs'])}" if archive["eta_secs"] else ""
    state = "" if archive["state"] == "there" else f", the store is {archive['state']}"
    return left + per_sec + eta + state
