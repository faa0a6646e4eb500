"""Which of the exchange's hosts a line connects to, so that what troubles one host does not trouble every line."""

from collections.abc import Sequence

from collector.exchanges.adapter import ConnectionPlan


def at_host(plan: ConnectionPlan, hosts: Sequence[str], line: int, failures: int) -> ConnectionPlan:
    """The plan at the line's own host, if it names the first of `hosts`: its address may be another by now.

    Line 0 always connects to the first host, the others to the next ones in turn; a line other than 0 goes on to the next
    one after each of its `failures`, because not every host can be reached from everywhere.
    """
    if line == 0 or not hosts or not plan.url.startswith(hosts[0]):
        return plan
    host = hosts[(line + failures) % len(hosts)]
    return plan._replace(url=host + plan.url.removeprefix(hosts[0]))
