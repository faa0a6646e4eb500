import pickle

from collector.config import Config, FeedConfig, HttpConfig
from collector.config.packed import Packed
from collector.config.values import Secret

PIPE_BYTES = 65_536


def test_a_packed_configuration_is_the_same_in_another_process() -> None:
    config = Config(feed=(FeedConfig(name="other"),), http=HttpConfig(token=Secret("planted-planted-")))
    assert pickle.loads(pickle.dumps(Packed(config))) == config


def test_tens_of_thousands_of_symbols_fit_into_the_pipe_to_a_child() -> None:
    config = Config(feed=(FeedConfig(symbols=tuple(f"S{number}USDT" for number in range(20_000))),))
    assert len(pickle.dumps(Packed(config))) < PIPE_BYTES
