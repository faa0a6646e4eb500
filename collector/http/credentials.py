"""Who is let in by an `Authorization` header: RFC 6750 section 2.1, RFC 7617 section 2."""

import base64
import binascii
import hmac


def is_authorized(authorization: str, token: bytes) -> bool:
    """Whether the token was sent, as a bearer's or as the password of any user; without a token everybody is let in."""
    return not token or hmac.compare_digest(_token_of(authorization), token)


def _token_of(authorization: str) -> bytes:
    """What was sent as a token, or as a password; nothing where there is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
