"""What is wrong between several hosts: rules as in `health.py`. No I/O, no clock."""

from typing import Final

from collector.domain.redact import printable
from collector.monitoring.host_facts import HostFacts
from collector.monitoring.trouble import Trouble, named

PUBLISH_BEHIND_SECS: Final = 60.0

_NAMED: Final = 3


def nats_away(hosts: HostFacts) -> Trouble | None:
    """A process of this host has no connection to NATS, or most servers do not answer."""
    away = hosts.without_nats
    if not away:
        return None
    errors = sorted({printable(error) for error in away.values() if error})
    why = f": {named(errors)}" if errors else ""
    return Trouble("NATS is away", f"no connection to NATS for {named(away)}{why}")


def publish_behind(hosts: HostFacts) -> Trouble | None:
    """Storage does not have what this edge received a while ago."""
    behind = {each.feed: each.lag_secs for each in hosts.publishing if each.lag_secs > PUBLISH_BEHIND_SECS}
    if not behind:
        return None
    worst_secs = max(behind.values())
    errors = sorted(
        {printable(each.last_error) for each in hosts.publishing if each.feed in behind and each.last_error}
    )
    why = f" ({named(errors)})" if errors else ""
    return Trouble("storage is behind", f"storage is {worst_secs:.0f} s behind this edge: {named(behind)}{why}")


def relay_hole(hosts: HostFacts) -> Trouble | None:
    """A slice is missing, and the edge does not send it again."""
    holes = [f"{feed} of {edge}" for feed, edge in hosts.standing_holes]
    if not holes:
        return None
    return Trouble(f"slices are missing: {named(holes)}", f"slices that are missing do not come again: {named(holes)}")


def relay_refused(hosts: HostFacts) -> Trouble | None:
    """The relay does not take what an edge sends."""
    if not hosts.refused:
        return None
    text = named(f"{feed}: {printable(why)}" for feed, why in hosts.refused.items())
    return Trouble(f"slices refused: {named(hosts.refused)}", f"slices of edges are not taken: {text}")


def edge_silent(hosts: HostFacts) -> Trouble | None:
    """An edge that was seen is gone."""
    if not hosts.gone:
        return None
    text = named(f"{edge} ({secs:.0f} s)" for edge, secs in hosts.gone.items())
    return Trouble(f"no sign of life of {named(hosts.gone)}", f"edges without a sign of life: {text}")


def host_unhealthy(hosts: HostFacts) -> Trouble | None:
    """Another host says that it is not well."""
    if not hosts.unwell:
        return None
    text = named(f"{host} ({named(code for code, _ in reasons)})" for host, reasons in hosts.unwell.items())
    return Trouble(f"not healthy: {named(hosts.unwell)}", f"hosts that are not healthy: {printable(text)}")


def symbols_uncovered(hosts: HostFacts) -> Trouble | None:
    """Fewer edges than `share.copies` receive some symbols."""
    if not hosts.uncovered:
        return None
    count = max(len(hosts.uncovered), hosts.uncovered_count)
    named_first = [f"{feed} {printable(symbol)}" for feed, symbol in hosts.uncovered[:_NAMED]]
    which = ", ".join(named_first) + (f" and {count - _NAMED} more" if count > _NAMED else "")
    what = "symbol is" if count == 1 else "symbols are"
    return Trouble(f"{count} {what} not covered", f"{count} {what} received by too few edges: {which}")


def hosts_differ(hosts: HostFacts) -> Trouble | None:
    """Hosts that should agree have other settings or lists."""
    return Trouble("hosts differ", f"hosts differ: {printable(hosts.trouble)}") if hosts.trouble else None


def tables_behind(hosts: HostFacts) -> Trouble | None:
    """Segments wait for the tables, and nothing is committed."""
    count = hosts.waiting_segments
    if not count:
        return None
    why = f": {printable(hosts.tables_error)}" if hosts.tables_error else ""
    return Trouble("the tables are behind", f"segments that the tables do not have yet: {count}{why}")
