from hypothesis import given
from hypothesis import strategies as st

from collector.domain.redact import printable, redact_url, redact_urls


def test_user_and_password_are_stripped() -> None:
    assert redact_url("wss://bob:hunter2@host:9443/ws") == "wss://host:9443/ws"


def test_query_values_are_hidden_and_their_names_stay() -> None:
    assert redact_url("https://host/a?token=s3cr3t&limit=5") == "https://host/a?token=***&limit=***"


def test_a_query_without_a_name_is_hidden_whole() -> None:
    assert redact_url("https://host/a?s3cr3t") == "https://host/a?***"


def test_a_fragment_is_dropped() -> None:
    assert redact_url("https://host/a#s3cr3t") == "https://host/a"


def test_an_at_sign_in_the_path_is_no_password() -> None:
    assert redact_url("wss://host:9443/ws/btcusdt@trade") == "wss://host:9443/ws/btcusdt@trade"


def test_a_password_with_a_slash_hides_the_whole_url() -> None:
    assert redact_url("s3://key:se/cret@bucket/prefix") == "s3://***"


def test_an_unreadable_url_keeps_only_its_scheme() -> None:
    assert redact_url("https://[s3cr3t") == "https://***"


def test_what_has_no_scheme_loses_its_password_too() -> None:
    assert redact_url("host:9464") == "host:9464"
    assert redact_url("bob:hunter2@host:9464") == "host:9464"


def test_urls_inside_a_text_are_redacted() -> None:
    text = "GET https://a:b@host/x?sig=s3cr3t failed, see http://host/help"
    assert redact_urls(text) == "GET https://host/x?sig=*** failed, see http://host/help"


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20))
def test_a_planted_secret_never_survives(secret: str) -> None:
    planted = "S" + secret
    for url in (f"wss://u:{planted}@h/p", f"wss://h/p?k={planted}", f"wss://h/p?a=1&{planted}", f"wss://{planted}@h"):
        assert planted not in redact_urls(f"could not reach {url}: timed out")


def test_control_characters_are_written_as_escapes() -> None:
    assert printable("a\x1b[31mb\nc\u202ed\x9be\x00") == r"a\x1b[31mb\nc\u202ed\x9be\x00"


@given(st.text())
def test_printable_text_has_no_control_character(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert printable(text) == text
