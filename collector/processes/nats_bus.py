"""The client of the NATS servers, as a process that sends or takes slices uses it."""

import random
from collections.abc import Callable

from collector.bus.client import NatsBus
from collector.bus.link import Options
from collector.config import Config
from collector.logs.limited import RateLimited
from collector.processes.context import Context


def open_bus(context: Context, on_change: Callable[[], None] = lambda: None) -> NatsBus:
    """A client of the servers of the configuration, which logs when the connection comes and goes, and calls `on_change`."""
    log, limited = context.log, RateLimited(context.log, context.clock.monotonic)

    def tell(is_connected: bool, text: str) -> None:
        if is_connected:
            log.info("nats_connected", server=text)
        else:
            limited.warning("nats_unreachable", "", reason=text)
        on_change()

    return NatsBus(options_of(context.config), f"{context.config.host_name} {context.role}", random.random, tell)


def options_of(config: Config) -> Options:
    """How to reach the servers."""
    nats = config.nats
    return Options(
        nats.urls,
        nats.credentials_file,
        nats.tls_ca_file,
        nats.tls_certificate_file,
        nats.tls_key_file,
        nats.replicas,
        nats.stream_max_bytes,
    )
