"""Signs certificates, and checks signatures: Ed25519, with keys in the PEM files that openssl makes."""

import hashlib
import importlib
from pathlib import Path
from typing import Any

from collector.certificates.certificate import Certificate, Signature, from_base64, to_base64
from collector.domain.errors import ConfigError
from collector.read.errors import MissingExtraError


class Signer:
    """Signs with one private key."""

    def __init__(self, path: Path) -> None:
        """Load a private key. Raises ConfigError, OSError, MissingExtraError."""
        serialization = _part("primitives.serialization")
        content = path.read_bytes()
        if b"PUBLIC KEY" in content:
            raise ConfigError([f"{path} is a public key: only the private one signs"])
        try:
            self._key = serialization.load_pem_private_key(content, password=None)
        except TypeError as error:
            raise ConfigError([f"{path} is protected by a password: a key without one is needed"]) from error
        except (ValueError, _part("exceptions", "").UnsupportedAlgorithm) as error:
            raise ConfigError([f"{path} is no private key in PEM"]) from error
        if not isinstance(self._key, _ed25519().Ed25519PrivateKey):
            raise ConfigError([f"{path} is no Ed25519 key: `openssl genpkey -algorithm ed25519` makes one"])

    def sign(self, certificate: Certificate) -> Signature:
        """The signature, always the same for the same certificate."""
        public = self._key.public_key().public_bytes_raw()
        return Signature("ed25519", to_base64(public), to_base64(self._key.sign(certificate.signed_bytes())))


def public_key_in(path: Path) -> bytes:
    """The 32 bytes of the public key in a PEM file. Raises ConfigError, OSError, MissingExtraError."""
    serialization = _part("primitives.serialization")
    content = path.read_bytes()
    if b"PRIVATE KEY" in content:
        raise ConfigError([f"{path} is a private key: a signature is checked with the public one"])
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, _part("exceptions", "").UnsupportedAlgorithm) as error:
        raise ConfigError([f"{path} is no public key in PEM"]) from error
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise ConfigError([f"{path} is no Ed25519 key"])
    raw: bytes = key.public_bytes_raw()
    return raw


def is_valid(signature: Signature, certificate: Certificate) -> bool:
    """Whether the holder of the key that the signature names signed the certificate. Raises MissingExtraError."""
    public, value = from_base64(signature.public_key), from_base64(signature.value)
    ed25519, invalid = _ed25519(), _part("exceptions", "").InvalidSignature
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(value, certificate.signed_bytes())
    except invalid:
        return False
    return True


def fingerprint(public_key: bytes) -> str:
    """A key's name for people: the SHA-256 of its 32 bytes."""
    return f"SHA256:{hashlib.sha256(public_key).hexdigest()}"


def _ed25519() -> Any:
    return _part("primitives.asymmetric.ed25519")


def _part(name: str, below: str = "hazmat.") -> Any:
    """A module of cryptography. Raises MissingExtraError."""
    try:
        return importlib.import_module(f"cryptography.{below}{name}")
    except ModuleNotFoundError as error:
        raise MissingExtraError("cryptography", "sign") from error
