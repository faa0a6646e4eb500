"""Options of a bucket. Without boto3, for modules that only pass them on."""

from typing import NamedTuple


class S3Options(NamedTuple):
    """How to reach a bucket, and the settings of each object; empty values leave it to boto3 and the server."""

    region: str = ""
    endpoint_url: str = ""
    create_bucket: bool = False
    sse: str = ""
    sse_kms_key_id: str = ""
    storage_class: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    addressing: str = "auto"
    """Where requests name the bucket: path, virtual (in the host name), or auto: as the server wants it."""
