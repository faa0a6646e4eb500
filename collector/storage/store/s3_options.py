"""What may be said about a bucket beside its name. Without boto3, for those who only pass it on."""

from typing import NamedTuple


class S3Options(NamedTuple):
    """How to reach a bucket and what to ask for with each object; empty: what boto3 and the server do by themselves."""

    region: str = ""
    endpoint_url: str = ""
    create_bucket: bool = False
    sse: str = ""
    sse_kms_key_id: str = ""
    storage_class: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    addressing: str = "auto"
    """Where the bucket stands: path, virtual (in the host name), or auto: as the server wants it."""
