import pytest

from collector.config import IngestConfig
from collector.domain.retry import BAN_SECS
from collector.feed.handshake import HandshakeError
from collector.processes.ingest.reconnect_delay import FailureDelay, ReconnectDelay

CONFIG = IngestConfig(reconnect_base_delay_secs=5, reconnect_max_delay_secs=300)


@pytest.fixture
def delay() -> ReconnectDelay:
    return ReconnectDelay(lambda: CONFIG, lambda: 1.0)


def test_delays_double_from_base_to_maximum_and_begin_anew_after_a_reset(delay: ReconnectDelay) -> None:
    assert [delay.next_secs() for _ in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]
    delay.reset()
    assert delay.next_secs() == 5


def test_a_retry_after_counts_when_it_is_longer_but_not_beyond_the_maximum(delay: ReconnectDelay) -> None:
    asked = ["77", "3", "no idea", "86400"]
    errors = [HandshakeError("", 503, text) for text in asked]
    assert [delay.after_failure(error, 0.0).delay_secs for error in errors] == [77, 10, 20, 300]


def test_only_a_ban_exceeds_the_maximum_and_concerns_the_whole_address(delay: ReconnectDelay) -> None:
    assert delay.after_failure(HandshakeError("", 429, "86400"), 0.0) == FailureDelay(86_400, 86_400)
    assert delay.after_failure(HandshakeError("", 418, "1"), 0.0) == FailureDelay(10, 1)
    assert delay.after_failure(OSError(), 0.0) == FailureDelay(20, None)


def test_bans_without_a_time_double_until_a_reset(delay: ReconnectDelay) -> None:
    ban = HandshakeError("", 429)
    assert [delay.after_failure(ban, 0.0).ban_secs for _ in range(2)] == [BAN_SECS, 2 * BAN_SECS]
    delay.reset()
    assert delay.after_failure(ban, 0.0).ban_secs == BAN_SECS


def test_changed_delays_count_from_the_next_one_on() -> None:
    settings = [CONFIG]
    delay = ReconnectDelay(lambda: settings[-1], lambda: 1.0)
    assert [delay.next_secs() for _ in range(3)] == [5, 10, 20]
    settings.append(IngestConfig(reconnect_base_delay_secs=1, reconnect_max_delay_secs=3))
    assert [delay.next_secs() for _ in range(3)] == [1, 2, 3]
    assert delay.after_failure(HandshakeError("", 503, "77"), 0.0).delay_secs == 3
