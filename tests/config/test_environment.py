from pathlib import Path

import pytest

from collector.config import Config
from collector.config.environment import environment_warnings
from collector.config.keys import SHORT_NAMES, VARIABLES
from collector.config.load import load
from collector.domain.errors import ConfigError

ADAPTERS = {"binance": ("book_snapshot", "book_delta", "trade")}
SECRET = "hunter2-hunter2-hunter2"

SERVICE = {
    "COLLECTOR_SERVICE_HOST": "10.0.0.1",
    "COLLECTOR_SERVICE_PORT": "9464",
    "COLLECTOR_SERVICE_PORT_METRICS": "9464",
    "COLLECTOR_PORT": "tcp://10.0.0.1:9464",
    "COLLECTOR_PORT_9464_TCP": "tcp://10.0.0.1:9464",
    "COLLECTOR_PORT_9464_TCP_PROTO": "tcp",
    "COLLECTOR_PORT_9464_TCP_PORT": "9464",
    "COLLECTOR_PORT_9464_TCP_ADDR": "10.0.0.1",
}
"""As the kubelet sets them, in every container of the namespace, for a service named `collector`."""


def faults_of(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(None, environment, ADAPTERS)
    return caught.value.problems


class TestOfOthers:
    def test_kubernetes_variables_of_a_service_named_collector_are_one_warning(self) -> None:
        assert load(None, SERVICE, ADAPTERS) == Config()
        (line,) = environment_warnings(SERVICE)
        assert line == (
            "COLLECTOR_PORT, COLLECTOR_PORT_9464_TCP, COLLECTOR_PORT_9464_TCP_ADDR and 5 more:"
            " ignored, because an orchestrator sets such variables for a service named collector"
        )

    def test_kubernetes_variables_of_services_named_collector_x_are_one_warning(self) -> None:
        longer = {name.replace("COLLECTOR_", "COLLECTOR_HTTP_"): text for name, text in SERVICE.items()}
        assert load(None, longer, ADAPTERS) == Config()
        assert len(environment_warnings(longer)) == 1
        assert len(environment_warnings({"COLLECTOR_PORT": "udp://10.0.0.1:53"})) == 1

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("COLLECTOR_PORT", "9464"),
            ("COLLECTOR_PORT", ""),
            ("COLLECTOR_HTTP_PORT", "9464"),
            ("COLLECTOR_HTTP_PORT_RANGE", "1"),
            ("COLLECTOR_SERVICE", "tcp://10.0.0.1:9464"),
            ("COLLECTOR_SERVICE_NAME", "x"),
            ("COLLECTOR_TRANSPORT", "tcp://10.0.0.1:9464"),
        ],
    )
    def test_any_other_unknown_variable_stays_a_fault(self, variable: str, text: str) -> None:
        (line,) = faults_of({**SERVICE, variable: text})
        assert line.startswith(f"{variable}: unknown variable")

    def test_a_variable_that_is_a_setting_is_never_ignored(self) -> None:
        (line,) = faults_of({"COLLECTOR_HTTP__PORT": "tcp://10.0.0.1:9464"})
        assert line.startswith('http.port = "tcp://10.0.0.1:9464" (from COLLECTOR_HTTP__PORT): must be')

    def test_without_such_variables_there_is_no_warning(self) -> None:
        assert environment_warnings({"PATH": "/bin", "COLLECTOR_HTTP__PORT": "1"}) == []


class TestQuotes:
    @pytest.mark.parametrize("quote", ["'", '"'])
    @pytest.mark.parametrize("variable", [*VARIABLES, *SHORT_NAMES])
    def test_a_value_that_kept_the_quotes_of_an_env_file_is_refused(self, variable: str, quote: str) -> None:
        (line,) = faults_of({variable: f"{quote}a{quote}"})
        assert line.endswith(f"(from {variable}): is in quotes, which env files keep; must be written without quotes")

    def test_the_refusal_shows_the_value_with_its_quotes(self) -> None:
        (line,) = faults_of({"COLLECTOR_DATA_DIR": '"data"'})
        assert line.startswith('data_dir = "\\"data\\"" (from COLLECTOR_DATA_DIR): ')

    def test_a_secret_in_quotes_is_not_shown(self) -> None:
        lines = faults_of({"COLLECTOR_HTTP__TOKEN": f'"{SECRET}"', "COLLECTOR_FEED": f"'[\"{SECRET}\"]'"})
        assert len(lines) == 2
        assert not any(SECRET in line for line in lines)

    def test_quotes_inside_a_value_are_kept(self) -> None:
        assert load(None, {"COLLECTOR_DATA_DIR": '/srv/the "data"'}, ADAPTERS).data_dir == Path('/srv/the "data"')

    def test_quotes_inside_a_toml_value_are_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"
        path.write_text("data_dir = '\"data\"'", "utf-8")
        assert load(path, {}, ADAPTERS).data_dir.name == '"data"'
