"""Holds a certificate against a store: whether the objects it names are there, byte for byte, and who signed it.

Nothing but the objects is needed: a copy of them in a folder, without manifests and without a network, will do.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from collector.certificates.certificate import Certificate, CertificateFile, CertifiedObject, from_base64, stream_key
from collector.certificates.certify import found_in
from collector.certificates.signing import fingerprint, is_valid
from collector.storage.archive.days import is_day_id, is_earlier_generation, manifest_name
from collector.storage.archive.pruned import read_pruned
from collector.storage.store.object_store import ObjectStore

KINDS: Final = {
    "unsigned": "a key is given, and the certificate has no signature",
    "forged": "the signature is not of this certificate, or not by the key given",
    "false": "the certificate contradicts itself, or stands in another's place",
    "missing": "an object that it names is not in the store",
    "differs": "an object has other bytes than it says",
    "pruned": "an object was pruned after the certificate was made",
    "newer": "the store has an object of the day that it does not name: certify again",
}
"""Kinds of findings."""


class Finding(NamedTuple):
    """Something in which a certificate does not hold."""

    kind: str
    key: str
    """Of an object; empty where it is the certificate itself."""
    text: str


def signature_findings(file: CertificateFile, public_key: bytes | None) -> Iterator[Finding]:
    """What is wrong with the signature, without a store. Raises MissingExtraError for a signature that cannot be checked."""
    signature = file.signature
    if signature is None:
        if public_key is not None:
            yield Finding("unsigned", "", "it has no signature")
        return
    signer = from_base64(signature.public_key)
    if not is_valid(signature, file.certificate):
        yield Finding("forged", "", "its signature is not of what it says: it was changed")
    elif public_key not in {None, signer}:
        yield Finding("forged", "", f"it is signed by {fingerprint(signer)}, not by the key given")


def object_findings(certificate: Certificate, store: ObjectStore) -> Iterator[Finding]:
    """In what the store is not as the certificate says. Raises StoreError, DamagedError."""
    for text in certificate.contradictions():
        yield Finding("false", "", text)
    for one in certificate.objects:
        yield from _of_object(certificate, one, store)
    named = {one.key for one in certificate.objects}
    for key in store.keys(stream_key(certificate.stream, certificate.date) + "/"):
        if key not in named and not _is_superseded(key, certificate):
            yield Finding("newer", key, "it is not in the certificate")


def _is_superseded(key: str, certificate: Certificate) -> bool:
    """Whether it is a day file of which the certificate names a later generation; of a host's day there is one file."""
    host, segment_id = manifest_name(key)
    of_host = [one.segment_id for one in certificate.objects if one.host == host]
    return (
        len(of_host) == 1
        and all(map(is_day_id, (segment_id, *of_host)))
        and is_earlier_generation(segment_id, *of_host)
    )


def _of_object(certificate: Certificate, one: CertifiedObject, store: ObjectStore) -> Iterator[Finding]:
    if one.found == "pruned":
        return
    found = found_in(store, one.key, one.bytes, one.sha256)
    if found in {one.found, "whole"}:
        return
    record = read_pruned(store, certificate.date) if found == "missing" else None
    pruned_at = None if record is None else record.times().get(one.key)
    if pruned_at is not None:
        yield Finding("pruned", one.key, f"it was pruned at {pruned_at}")
    else:
        text = "it is not there" if found == "missing" else "its bytes are not those that were certified"
        yield Finding(found, one.key, text)
