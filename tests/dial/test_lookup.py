import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from collector.dial.happy_eyeballs import UnreachableError
from collector.dial.lookup import addresses_of
from tests.dial.names import NAME, Names


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names(monkeypatch)
    yield names
    names.go_on()


def test_a_lookup_gives_each_address_once_in_order(names: Names) -> None:
    names.has("127.0.0.3", "127.0.0.2", "127.0.0.3")

    assert [str(address) for address in addresses_of(NAME, 443, 60)] == ["127.0.0.3:443", "127.0.0.2:443"]


def test_lookups_that_hang_time_out_and_share_one_thread(names: Names) -> None:
    names.has("127.0.0.2")
    names.hang()
    before = threading.active_count()

    for _ in range(20):
        with pytest.raises(UnreachableError, match=rf"the lookup of {NAME} took more than 0\.01 s"):
            addresses_of(NAME, 443, 0.01)

    assert names.lookups == 1
    assert threading.active_count() == before + 1
    names.go_on()
    assert [str(address) for address in addresses_of(NAME, 443, 60)] == ["127.0.0.2:443"]


def test_a_name_is_looked_up_anew_each_time(names: Names) -> None:
    names.has("127.0.0.2")
    addresses_of(NAME, 443, 60)
    names.has("127.0.0.3")

    assert [str(address) for address in addresses_of(NAME, 443, 60)] == ["127.0.0.3:443"]


def test_an_unknown_name_is_named_in_the_error() -> None:
    with pytest.raises(UnreachableError, match=r"nobody\.invalid has no address: "):
        addresses_of("nobody.invalid", 443, 60)


@pytest.mark.parametrize("host", ["stream..binance.com", "a" * 64])
def test_a_name_that_cannot_be_looked_up_is_refused(host: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- Python's own words, of several kinds
        addresses_of(host, 443, 60)


def test_a_failed_lookup_is_gone_with_its_error() -> None:
    def look_up() -> "weakref.ref[BaseException]":
        try:
            addresses_of("gone.invalid", 443, 60.0)
        except UnreachableError as error:
            assert isinstance(error.__cause__, OSError)  # noqa: PT017 -- pytest.raises would keep the error
            return weakref.ref(error.__cause__)
        raise AssertionError("the name was found")

    gc.disable()
    try:
        cause = look_up()
        for thread in threading.enumerate():
            if thread.name == "lookup gone.invalid":
                thread.join(60.0)
        assert cause() is None
    finally:
        gc.enable()
