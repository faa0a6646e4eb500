"""Accounts of a NATS server and a credentials file of one of their users, as `nsc` makes them.

Source of the forms: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
"""

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import nkeys

UNLIMITED = {
    "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1,
    "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
}  # fmt: skip


class Accounts:
    """One account with JetStream; `settings` are the lines of the server's configuration."""

    def __init__(self) -> None:
        self._operator = key(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = key(nkeys.PREFIX_BYTE_ACCOUNT)
        system = key(nkeys.PREFIX_BYTE_ACCOUNT)
        told = {"type": "operator", "version": 2, "system_account": name_of(system)}
        operator = token(self._operator, name_of(self._operator), told)
        account = token(self._operator, name_of(self._account), {"type": "account", "version": 2, "limits": UNLIMITED})
        of_system = {key: value for key, value in UNLIMITED.items() if "storage" not in key}
        system_account = token(
            self._operator, name_of(system), {"type": "account", "version": 2, "limits": {**of_system, "streams": 0}}
        )
        self.settings = f"""
operator: {operator}
system_account: {name_of(system)}
resolver: MEMORY
resolver_preload: {{ {name_of(self._account)}: {account}, {name_of(system)}: {system_account} }}
"""

    def write(self, path: Path) -> Path:
        """Write the credentials file of a new user."""
        user = key(nkeys.PREFIX_BYTE_USER)
        jwt = token(self._account, name_of(user), {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n",
            "utf-8",
        )
        return path


def key(kind: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(secrets.token_bytes(32), kind))


def name_of(pair: nkeys.KeyPair) -> str:
    return str(pair.public_key.decode())


def token(issuer: nkeys.KeyPair, subject: str, told: dict[str, Any]) -> str:
    """A signed claim of the issuer about the subject."""
    claims = {"iat": 1_700_000_000, "iss": name_of(issuer), "name": "test", "sub": subject, "nats": told}
    digest = hashlib.sha256(json.dumps(claims).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    parts = [written({"typ": "JWT", "alg": "ed25519-nkey"}), written(claims)]
    signed = issuer.sign(".".join(parts).encode())
    return ".".join([*parts, base64.urlsafe_b64encode(signed).decode().rstrip("=")])


def written(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
