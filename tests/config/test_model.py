import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from collector.config import Config, FeedConfig, IngestConfig, JournalConfig, SupervisorConfig
from collector.config.model import Section
from collector.config.validation import validated


def test_by_default_bitcoin_is_recorded_from_binance() -> None:
    (feed,) = Config().feed
    assert feed.exchange == "binance"
    assert feed.symbols == ("BTCUSDT",)
    assert feed.data_types == ("book_snapshot", "book_delta", "trade")
    assert feed.name == "binance"


def test_the_data_folder_is_absolute_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config().data_dir == tmp_path / "data"


def test_the_host_is_named_after_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Mary's Mac")
    assert Config().host_name == "Mary-s-Mac"
    assert Config(host_name="h").host_name == "h"


def test_a_feed_is_named_after_its_exchange() -> None:
    assert FeedConfig(exchange="kraken").name == "kraken"
    assert FeedConfig(exchange="kraken", name="k").name == "k"


def test_a_config_is_the_same_in_another_process() -> None:
    config = Config(feed=(FeedConfig(symbols=("A", "B"), lines=2), FeedConfig(name="other")))
    assert pickle.loads(pickle.dumps(config)) == config


def test_nothing_in_a_config_can_be_changed() -> None:
    config = Config()
    for section in (config, config.feed[0], config.writer):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(section, section.__struct_fields__[0], None)


def test_importing_the_configuration_loads_no_heavy_package() -> None:
    heavy = "pyarrow", "boto3", "pydantic", "websocket", "multiprocessing"
    code = f"import sys, collector.config; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"


def test_the_archive_is_a_folder_of_the_data_by_default() -> None:
    config = Config(data_dir=Path("/srv/my data"))
    assert config.archive_url == "file:///srv/my%20data/archive"


def test_the_archive_may_be_another_folder() -> None:
    config = validated(Config, {"archive": {"url": "file:///mnt/big%20disk/x"}})
    assert config.archive_url == "file:///mnt/big%20disk/x"


def test_the_archive_may_be_a_bucket() -> None:
    config = validated(Config, {"archive": {"url": "s3://bucket/prefix"}})
    assert config.archive_url == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("section", "base", "most"),
    [
        (IngestConfig, "reconnect_base_delay_secs", "reconnect_max_delay_secs"),
        (SupervisorConfig, "restart_base_delay_secs", "restart_max_delay_secs"),
    ],
)
def test_the_longest_delay_is_not_below_the_first(section: type[Section], base: str, most: str) -> None:
    validated(section, {base: 2, most: 2})
    with pytest.raises(ValidationError, match=rf"{most}\n.*is less than {base} \(2\)"):
        validated(section, {base: 2, most: 1.5})


def test_a_journal_holds_two_files_at_least() -> None:
    assert validated(JournalConfig, {"file_bytes": 1024, "max_bytes": 2048}).max_bytes == 2048
    with pytest.raises(ValidationError, match=r"is less than 2 times file_bytes \(2KiB\)"):
        validated(JournalConfig, {"file_bytes": 2048, "max_bytes": 4095})


def test_the_text_of_a_model_error_does_not_quote_values() -> None:
    with pytest.raises(ValidationError) as caught:
        validated(Config, {"feed": [{"ws_url": "wss://u:hunter2@h"}]})
    assert "hunter2" not in str(caught.value)
