"""Who is let in: with the token in either dress, and nobody by a header that means nothing."""

import base64

import pytest

from collector.http.credentials import is_authorized

TOKEN = b"s3cret"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("sent", ["Bearer s3cret", "bearer  s3cret ", basic("anybody:s3cret"), basic(":s3cret")])
def test_the_token_is_accepted_as_bearer_and_as_basic_password(sent: str) -> None:
    assert is_authorized(sent, TOKEN)


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer s3cre", "s3cret", "Digest s3cret", "Basic ?", basic("s3cret")])
def test_any_other_authorization_is_refused(sent: str) -> None:
    assert not is_authorized(sent, TOKEN)


def test_without_a_token_every_request_is_authorized() -> None:
    assert is_authorized("", b"")
