"""Which of the exchange's hosts a line connects to, so that what troubles one host does not trouble every line."""

from collections.abc import Sequence

from collector.exchanges.adapter import ConnectionPlan


def at_host(plan: ConnectionPlan, hosts: Sequence[str], line: int, failures: int) -> ConnectionPlan:
    """The plan, which names the first of `hosts`, at the line's own one.

    Line 0 always connects to the first host, the others to the next ones in turn; a line other than 0 goes on to the next
    one after each of its `failures`, because not every host can be reached from everywhere.
    """
    if line == 0 or not hosts:
        return plan
    host = hosts[(line + failures) % len(hosts)]
    return plan._replace(url=host + plan.url.removeprefix(hosts[0]))
