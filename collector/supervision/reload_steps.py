"""Which processes a change of the configuration concerns, and what each of them needs. Pure."""

from typing import NamedTuple

from collector.config import Config
from collector.config.change import ConfigChange
from collector.processes.roles import feed_of, processes_of, role_of


class Steps(NamedTuple):
    """Names of processes, each in one of the lists at most; whoever is in none goes on undisturbed."""

    start: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    """Told to stop for good."""
    renew: tuple[str, ...] = ()
    """Followed at once by a successor."""
    tell: tuple[str, ...] = ()
    """Told of the number of the new configuration, by which they work from then on."""
    leave: tuple[str, ...] = ()
    """Told to leave everything as it is to processes of another program."""

    @property
    def lines(self) -> list[str]:
        """What becomes of each, for people."""
        said = (("starts", self.start), ("stops", self.retire), ("is renewed", self.renew), ("goes on", self.tell))
        return [f"{name} {what}" for what, names in said for name in names]

    @property
    def concerned(self) -> set[str]:
        """All of them."""
        return {name for names in self for name in names}


def steps_of(change: ConfigChange, old: Config, new: Config) -> Steps:
    """What to do so that everybody works by `new`."""
    before, after = processes_of(old), processes_of(new)
    reading = [name for name in before if name in after and _reads(name, change)]
    live = [name for name in reading if role_of(name).takes_settings_live and not _is_another(name, change)]
    return Steps(
        start=tuple(name for name in after if name not in before),
        retire=tuple(name for name in before if name not in after),
        renew=tuple(name for name in reading if name not in live),
        tell=tuple(live),
    )


def _reads(process: str, change: ConfigChange) -> bool:
    return bool(role_of(process).settings_among(_keys(process, change)))


def _is_another(process: str, change: ConfigChange) -> bool:
    """Whether its feed keeps only its name: another exchange has other streams, and speaks otherwise."""
    return role_of(process).per_feed and "feed.exchange" in _keys(process, change)


def _keys(process: str, change: ConfigChange) -> set[str]:
    return change.keys(feed_of(process) or None)
