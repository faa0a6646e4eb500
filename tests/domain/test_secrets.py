import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.quotes import is_quoted
from collector.domain.secrets import forms_of, hidden, secrets_in, unfit, unfit_keys

FITTING = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4)
WAYS = [
    str,
    repr,
    json.dumps,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: b64encode(text.encode()).decode(),
]


@given(secret=FITTING, way=st.sampled_from(WAYS), before=st.text(max_size=5), behind=st.text(max_size=5))
def test_a_secret_is_found_in_whatever_form_a_text_quotes_it(
    secret: str, way: object, before: str, behind: str
) -> None:
    written = way(secret)  # type: ignore[operator]
    shown = hidden(f"{before}{written}{behind}", forms_of(secret), "")
    assert len(shown) <= len(before) + len(behind) + 2, "more than the quotes around it is left"


def test_a_secret_with_a_line_break_is_found_with_it_and_without() -> None:
    forms = forms_of("AKIAIOSFODNN7EXAMPLE\n")
    for text in ("x AKIAIOSFODNN7EXAMPLE\n y", r"b'x AKIAIOSFODNN7EXAMPLE\n y'", "x AKIAIOSFODNN7EXAMPLE y"):
        assert "AKIA" not in hidden(text, forms, "***")


@pytest.mark.parametrize("short", ["", "abc", " \n\t ", "  ab  "])
def test_a_secret_too_short_to_recognise_is_not_searched_for(short: str) -> None:
    assert forms_of(short) == set()


def test_the_environments_secrets_are_known_by_their_names() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_KEY": "wJalrXUtnFEMI",
        "AWS_SESSION_TOKEN": "FwoGZXIvYXdz",
        "COLLECTOR_HTTP__TOKEN": "token of the window",
        "HTTPS_PROXY": "http://me:p%40ssword@proxy:3128",
        "http_proxy": "you:secret@proxy",
        "PATH": "/bin",
        "HOME": "/home/me",
    }
    found = set(secrets_in(environment))
    assert found == {
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI", "FwoGZXIvYXdz", "token of the window",
        "p%40ssword", "p@ssword", "me:p@ssword", "secret", "you:secret",
    }  # fmt: skip


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "http://me@proxy", "http://[broken", ""])
def test_a_proxy_without_a_password_holds_no_secret(proxy: str) -> None:
    assert list(secrets_in({"http_proxy": proxy})) == []


def test_a_key_id_that_is_a_word_is_no_secret() -> None:
    assert list(secrets_in({"AWS_ACCESS_KEY_ID": "admin"})) == []


@pytest.mark.parametrize("key", ["key\n", "k\rey", "k\0ey", "k\x7fey", "kéy", "k\tey"])
def test_a_key_with_a_character_that_no_header_takes_is_unfit(key: str) -> None:
    assert "line break" in unfit(key)


@pytest.mark.parametrize("key", [" key", "key "])
def test_a_key_with_a_space_at_an_end_is_unfit(key: str) -> None:
    assert unfit(key) == "begins or ends with a space"


@given(key=FITTING.filter(lambda key: not is_quoted(key)))
def test_every_other_key_is_fit(key: str) -> None:
    assert unfit(key) == ""


@pytest.mark.parametrize("key", ['"AKIAEXAMPLE"', "'secret/of+forty'"])
def test_a_key_in_the_quotes_of_an_env_file_is_unfit(key: str) -> None:
    assert unfit(key) == "stands in quotes, which an env file keeps"


def test_an_unfit_key_is_named_and_not_shown() -> None:
    (line,) = unfit_keys({"AWS_ACCESS_KEY": "AKIA\n", "AWS_SECRET_ACCESS_KEY": "fine", "OTHER": "x\n"})
    assert line == "AWS_ACCESS_KEY: holds a line break, or another character that no key has"
