"""What the window logs of the port it serves."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.config import Config, HttpConfig
from collector.domain.log import Log
from collector.supervision.display import NoDisplay, Page
from collector.supervision.reporting import Reporting
from tests.ports import keep_port, port_of


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """What a window listens to is afterwards as it was before."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Events(list[str]):
    """The names of the events that were logged."""

    def keep(self, _level: str, fields: dict[str, Any]) -> None:
        self.append(fields["event"])


def test_http_listening_is_logged_only_for_a_port_that_listens(tmp_path: Path) -> None:
    keeper = keep_port()
    port = port_of(keeper)
    for number, said in ((0, []), (port, ["http_listening"])):
        events = Events()
        window = Reporting(
            Config(data_dir=tmp_path, http=HttpConfig(port=number)), "run", Log(events.keep), NoDisplay()
        )
        window._keep_serving()
        window._keep_serving()
        window.close()
        assert events == said
    keeper.close()


def test_the_display_names_the_page_or_why_there_is_none(tmp_path: Path) -> None:
    def page_of(http: HttpConfig) -> Page:
        reporting = Reporting(Config(data_dir=tmp_path, http=http), "run", Log(print), NoDisplay())
        reporting._keep_serving()
        page = reporting._page()
        reporting.close()
        return page

    with keep_port() as keeper:
        port = port_of(keeper)
        assert page_of(HttpConfig(host="0.0.0.0", port=port)) == Page(url=f"http://127.0.0.1:{port}/")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        problem = page_of(HttpConfig(port=port)).problem
        assert problem.startswith(f"No page at http://127.0.0.1:{port}/: ")
        assert "in use" in problem
    assert page_of(HttpConfig(port=0)) == Page(problem="No page: http.port is 0 (off).")
