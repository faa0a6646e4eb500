"""Checks the `Authorization` header of a request: RFC 6750 section 2.1 (Bearer), RFC 7617 section 2 (Basic)."""

import base64
import binascii
import hmac


def is_authorized(authorization: str, token: bytes) -> bool:
    """Whether the header holds the token, as Bearer or as the Basic password of any user; always true for no token."""
    return not token or hmac.compare_digest(_token_of(authorization), token)


def _token_of(authorization: str) -> bytes:
    """The Bearer token or the Basic password; empty if there is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
