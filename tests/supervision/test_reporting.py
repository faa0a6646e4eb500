"""What the window logs of the port it serves."""

import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.config import Config, HttpConfig
from collector.config.values import Secret
from collector.domain.log import Log
from collector.supervision.display import NoDisplay, Page
from collector.supervision.reporting import Reporting
from tests.ports import keep_port, port_of
from tests.supervision import made


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


def asked(port: int, token: str = "") -> int:
    """The code with which the page of metrics answers; 0 if nobody does."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_another_token_and_port_are_served_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with keep_port() as first, keep_port() as second:
        ports = port_of(first), port_of(second)
        config = Config(data_dir=tmp_path, http=HttpConfig(port=ports[0], token=Secret("one-two-three-four")))
        reporting = Reporting(config, "run", Log(print), NoDisplay())
        reporting._view = made.status().look({}, made.known())
        reporting._keep_serving()
        assert [asked(ports[0], token) for token in ("one-two-three-four", "other")] == [200, 401]
        for port in ports:
            http = HttpConfig(port=port, token=Secret("five-six-seven-eight"))
            reporting.reconfigure(replace(config, http=http))
            reporting._keep_serving()
            assert [asked(port, token) for token in ("one-two-three-four", "five-six-seven-eight")] == [401, 200]
        assert asked(ports[0]) == 0
        reporting.reconfigure(replace(config, http=http))
        assert asked(ports[1], "five-six-seven-eight") == 200, "what does not change is not interrupted"
        reporting.close()
