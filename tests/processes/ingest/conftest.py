"""A feed at work whose streams change meanwhile, for tests that ask for it; others bring their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.ingest.changing import Exchange, Feed


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def start(tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Feed]]:
    """Begin to record these symbols; the feed looks often for what has changed."""
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    begun: list[Feed] = []

    def start(*symbols: str, **options: Any) -> Feed:
        begun.append(Feed(tmp_path, options.pop("url", exchange.url), *symbols, **options))
        return begun[-1]

    yield start
    for feed in begun:
        feed.stop()
