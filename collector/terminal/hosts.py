"""Several hosts as a terminal shows them: who is there and how each is, and what goes between them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from collector.terminal.tables import BEHIND_SECS, NOT_KNOWN, counts, number, on_one_line, shown, size, span, table

MOST_HOSTS: Final = 12
"""Hosts that have a row each; those in trouble come first."""

_CODES: Final = 3
"""Reasons of a host that its row names."""


def receives(status: Mapping[str, Any]) -> bool:
    """Whether this host receives from exchanges. A recorder of a version without roles does."""
    return _role(status) != "storage"


def stores(status: Mapping[str, Any]) -> bool:
    """Whether this host stores rows."""
    return _role(status) != "edge"


def _role(status: Mapping[str, Any]) -> str:
    return str(status.get("role", "all"))


def hosts(status: Mapping[str, Any], *, narrow: bool = False) -> list[RenderableType]:
    """A row a host, this one first; none where there is only one."""
    rows = _rows(status)
    if not rows:
        return []
    made: Table = table("host", "role", "health", ">lag", *([] if narrow else [">data", ">seen"]))
    for row in rows[:MOST_HOSTS]:
        lag = Text(span(row["lag_secs"]), "yellow" if row["lag_secs"] > BEHIND_SECS else "")
        data = size(row["lag_bytes"])
        if not row["alive"]:  # what it said last is no longer so
            lag, data = Text(NOT_KNOWN), NOT_KNOWN
        seen = "this host" if row["is_this"] else f"{span(row['seen_secs'])} ago"
        made.add_row(
            on_one_line(shown(row["host"])), shown(row["role"]), _health(row), lag, *([] if narrow else [data, seen])
        )
    left = len(rows) - MOST_HOSTS
    return [made, *([Text(f"and {number(left)} more hosts", "dim")] if left > 0 else [])]


def hosts_in_one_line(status: Mapping[str, Any]) -> list[RenderableType]:
    """How many hosts there are, and which of them are not well; nothing where there is only one."""
    rows = _rows(status)
    if not rows:
        return []
    line = Text(f"hosts: {sum(row['alive'] for row in rows)} of {len(rows)} there")
    for title, which in (
        ("gone", [row["host"] for row in rows if not row["alive"]]),
        ("not healthy", [row["host"] for row in rows if row["alive"] and not row["healthy"]]),
    ):
        if which:
            line.append_text(
                shown(f"; {title}: {', '.join(which[:_CODES])}{' …' if len(which) > _CODES else ''}", "red")
            )
    return [on_one_line(line)]


def _rows(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The host that is asked, then the others, those in trouble first."""
    if _role(status) == "all":
        return []
    others = [host for host in status["cluster"]["hosts"] if host["host"] != status["host"]]
    others.sort(key=lambda host: (host["alive"] and host["healthy"], host["role"], host["host"]))
    lags = status["journals"]
    this = {
        "host": status["host"], "role": status["role"], "healthy": status["healthy"], "reasons": status["reasons"],
        "lag_secs": max((lag["lag_secs"] for lag in lags), default=0.0), "lag_bytes": sum(lag["lag_bytes"] for lag in lags),
        "alive": True, "is_this": True,
    }  # fmt: skip
    return [this, *({**host, "is_this": False} for host in others)]


def _health(row: Mapping[str, Any]) -> Text:
    if not row["alive"]:
        return Text("gone", "bold red")
    if row["healthy"]:
        return Text("healthy", "green")
    codes = [reason["code"] for reason in row["reasons"]]
    more = f" and {len(codes) - _CODES} more" if len(codes) > _CODES else ""
    return shown(", ".join(codes[:_CODES]) + more or "not healthy", "red")


def between_hosts(status: Mapping[str, Any]) -> Iterator[tuple[str, Text]]:
    """What went between hosts since the start: a name and figures for each publisher, relay and the tables."""
    for publish in status.get("publish", ()):
        figures = {"rewinds": publish["rewinds"], "failed tries": publish["failures"]}
        yield f"publish {publish['feed']}", _connected(publish, counts(figures))
    for relay in status.get("relays", ()):
        figures = {name: relay[name] for name in ("slices", "holes", "late", "lost")}
        yield f"relay {relay['feed']}", _connected(relay, counts(figures))
    cluster = status.get("cluster")
    if cluster and cluster["members"]:
        yield "symbols", _sharing(cluster)
    tables = status.get("tables")
    if tables and (tables["commits"] or tables["backlog_segments"] or tables["last_error"]):
        yield "tables", _tables(tables)


def _connected(report: Mapping[str, Any], figures: str) -> Text:
    state = ("connected", "") if report["connected"] else ("no connection to NATS", "yellow")
    return Text.assemble(state, f", {figures}")


def _sharing(cluster: Mapping[str, Any]) -> Text:
    members, copies = cluster["members"], cluster["copies"]
    which = f"on {copies} edges each" if copies else "all on every edge"
    line = Text(f"{which}, {len(members)} edges")
    for name in ("uncovered", "overcovered"):
        if cluster[f"{name}_count"]:
            line.append(f", {number(cluster[f'{name}_count'])} {name}", "yellow")
    if cluster["trouble"]:
        line.append_text(shown(f", {cluster['trouble']}", "yellow"))
    return line


def _tables(tables: Mapping[str, Any]) -> Text:
    line = Text(
        counts({"commits": tables["commits"], "segments": tables["segments"], "waiting": tables["backlog_segments"]})
    )
    if tables["last_error"]:
        line.append_text(shown(f", last error: {tables['last_error']}", "red"))
    return line
