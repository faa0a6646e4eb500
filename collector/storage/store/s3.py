"""An archive store in a bucket of an S3 server, or below a prefix in one."""

import gc
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BufferedIOBase, BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from collector.domain.errors import CollectorError, StoreError, StoreRefusedError
from collector.storage.store.object_store import ObjectInfo, require_key
from collector.storage.store.s3_checksums import copied, md5_header, refuse_other_bytes, sha256_header, whole_sha256
from collector.storage.store.s3_client import connect
from collector.storage.store.s3_errors import NO_SUCH_BUCKET, code_of, explained, status_of
from collector.storage.store.s3_options import S3Options
from collector.storage.store.s3_request_style import RequestStyle, first_style

T = TypeVar("T")
Request = Callable[[Any, RequestStyle], T]
"""Sends a request with a client, in a style."""

_PROBE_KEY: Final = "_probe"
_PROBE: Final = b"The recorder proves with this object that it may put and read here.\n"
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404

_HOME_REGION: Final = frozenset({"us-east-1", "aws-global"})
"""The region of a bucket that is made without naming one; to name it is an error.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
"""


class S3Store:
    """Implements `collector.storage.store.object_store.ObjectStore`.

    An object is put in one request with its SHA-256: the server refuses other bytes, keeps the checksum and reports it.
    If the server wants another style of requests, `on_style_change` is called once with a text. It has no way to delete. After a
    StoreRefusedError the next call makes a new client, which looks for credentials again.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        options: S3Options,
        on_style_change: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._bucket = bucket
        self._folder = f"{prefix}/" if prefix else ""
        self._options = options
        self._put_options = _put_options(options)
        self._on_style_change = on_style_change
        self._style = first_style(options.addressing, options.endpoint_url)
        self._clients: dict[str, Any] = {}
        self._changing = Lock()

    @property
    def url(self) -> str:
        """Bucket and prefix."""
        return f"s3://{self._bucket}/{self._folder}".removesuffix("/")

    def check(self) -> None:
        """Prove that objects can be put, confirmed, read and listed; makes the bucket with `create_bucket`.

        A small object stays behind, `_probe`: deleting it would take a permission that recording does not need.
        """
        info = ObjectInfo(len(_PROBE), hashlib.sha256(_PROBE).hexdigest())
        self._put(_PROBE_KEY, lambda: BytesIO(_PROBE), info.sha256)
        if self.head(_PROBE_KEY) != info or self.read(_PROBE_KEY) != _PROBE:
            raise StoreError(f"{self.url}/{_PROBE_KEY}: the store holds other bytes than were put")
        self._page(_PROBE_KEY)
        # Without permission to list, S3 answers "forbidden" for a missing object, instead of "not found".
        self.head(f"{_PROBE_KEY}/absent")

    def put(self, key: str, source: Path, sha256: str) -> None:
        """Store the file under `key`; the server refuses bytes that do not match `sha256`."""
        self._put(key, lambda: source.open("rb"), sha256)

    def head(self, key: str) -> ObjectInfo | None:
        """Size and checksum as the server keeps them; read from the object if the server has no SHA-256 of it."""
        object_args = self._object_args(key)

        def request(client: Any, style: RequestStyle) -> ObjectInfo:
            found = client.head_object(**object_args, **_checksum_mode(style))
            sha256 = whole_sha256(found)
            if sha256 is not None:
                return ObjectInfo(int(found["ContentLength"]), sha256)
            with closing(client.get_object(**object_args)["Body"]) as body:
                return copied(body, len)

        return self._call(key, _or_none(request))

    def read(self, key: str) -> bytes | None:
        """The object's bytes; None if there is none."""
        object_args = self._object_args(key)

        def request(client: Any, style: RequestStyle) -> bytes:
            with closing(client.get_object(**object_args, **_checksum_mode(style))["Body"]) as body:
                return bytes(body.read())

        return self._call(key, _or_none(request))

    def fetch(self, key: str, target: Path) -> ObjectInfo | None:
        """Copy the object; returns size and checksum of the fetched bytes."""
        object_args = self._object_args(key)

        def request(client: Any, _: RequestStyle) -> ObjectInfo:
            with closing(client.get_object(**object_args)["Body"]) as body, target.open("wb") as file:
                return copied(body, file.write)

        return self._call(key, _or_none(request))

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order."""
        # Sorted here, because not every server lists in byte order as Amazon does.
        return (key for key in sorted(self._listed(prefix)) if key != _PROBE_KEY)

    def _put(self, key: str, opened: Callable[[], BufferedIOBase], sha256: str) -> None:
        object_args = self._object_args(key)

        def request(client: Any, style: RequestStyle) -> None:
            with opened() as body:
                checksum = sha256_header(sha256) if style.checksums else md5_header(body)
                try:
                    client.put_object(**object_args, Body=body, **checksum, **self._put_options)
                except ClientError as error:
                    if status_of(error) == _BAD_REQUEST:
                        refuse_other_bytes(body, sha256, key, error)
                    raise

        self._call(key, request)

    def _listed(self, prefix: str) -> Iterator[str]:
        keys, token = self._page(prefix)
        yield from keys
        seen = set[str]()
        while token is not None:
            if token in seen:
                raise StoreError(f"{self.url}/{prefix}: the server's list of objects repeats a page")
            seen.add(token)
            keys, token = self._page(prefix, ContinuationToken=token)
            yield from keys

    def _page(self, prefix: str, **token: str) -> tuple[list[str], str | None]:
        """One page of keys, and the token of the next page."""

        def request(client: Any, _: RequestStyle) -> tuple[list[str], str | None]:
            page = client.list_objects_v2(Bucket=self._bucket, Prefix=self._folder + prefix, **token)
            # Not an object of ours: consoles put such keys to show an empty folder.
            found_keys = [found["Key"] for found in page.get("Contents", []) if not found["Key"].endswith("/")]
            keys = [key.removeprefix(self._folder) for key in found_keys]
            return keys, page["NextContinuationToken"] if page.get("IsTruncated") else None

        return self._call(prefix, request)

    def _object_args(self, key: str) -> dict[str, str]:
        require_key(key)
        return {"Bucket": self._bucket, "Key": self._folder + key}

    def _call(self, key: str, request: Request[T]) -> T:
        """Make a request, in the style that the server wants. Raises StoreError.

        Every exception becomes a StoreError, because boto3 may raise anything for a response that is not S3's.
        """
        try:
            return self._in_style(request)
        except CollectorError:
            raise
        except Exception as error:
            trouble = explained(f"{self.url}/{key}", error, self._advice(error))
            if isinstance(trouble, StoreRefusedError):
                self._clients = {}
            raise trouble from error

    def _in_style(self, request: Request[T]) -> T:
        """Make a request; after an error that may be due to the style, in another one, which is kept if it succeeds."""
        style = self._style
        while True:
            try:
                answer = self._with_bucket(style, request)
            except ClientError as error:
                next_style = style.after(code_of(error))
                if next_style is None:
                    raise
                style = next_style
            else:
                self._adopt_style(style)
                return answer

    def _adopt_style(self, style: RequestStyle) -> None:
        with self._changing:
            before = self._style
            self._style = before.merged_with(style)
            changes = self._style.changes_since(before)
        for text in changes:
            self._on_style_change(f"{self.url}: {text}")

    def _with_bucket(self, style: RequestStyle, request: Request[T]) -> T:
        """Make a request, and the bucket first if it is missing and `create_bucket` is set."""
        client = self._connected(style.addressing)
        try:
            return request(client, style)
        except ClientError as error:
            if not self._options.create_bucket or code_of(error) != NO_SUCH_BUCKET:
                raise
        self._make_bucket(client)
        return request(client, style)

    def _connected(self, addressing: str) -> Any:
        with self._changing:
            clients = self._clients
            if addressing not in clients:
                # Clients are reference cycles: without this, refused ones would stay in memory for hours.
                gc.collect()
                clients[addressing] = connect(self._options.region, self._options.endpoint_url, addressing, os.environ)
            return clients[addressing]

    def _make_bucket(self, client: Any) -> None:
        region = self._options.region if self._options.endpoint_url else client.meta.region_name
        location = (
            {} if region in {"", *_HOME_REGION} else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        try:
            client.create_bucket(Bucket=self._bucket, **location)
        except ClientError as error:
            # Another host with the same archive made it first.
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise

    def _advice(self, error: BaseException) -> str:
        if code_of(error) != NO_SUCH_BUCKET:
            return ""
        region = f" --region {self._options.region}" if self._options.region else ""
        endpoint = f" --endpoint-url {self._options.endpoint_url}" if self._options.endpoint_url else ""
        return f"make it with 'aws s3 mb s3://{self._bucket}{region}{endpoint}', or set archive.create_bucket = true"


def _put_options(options: S3Options) -> dict[str, str]:
    """The arguments of every put; options that are not set are not sent."""
    arguments = {
        "ServerSideEncryption": options.sse,
        "SSEKMSKeyId": options.sse_kms_key_id,
        "StorageClass": options.storage_class,
        "Tagging": urlencode(options.tags),
    }
    return {name: value for name, value in arguments.items() if value}


def _checksum_mode(style: RequestStyle) -> dict[str, str]:
    return {"ChecksumMode": "ENABLED"} if style.checksums else {}


def _or_none(request: Request[T]) -> Request[T | None]:
    """Turns a 404 into None, unless it says the bucket is missing (HEAD answers have no body and cannot say so)."""

    def request_or_none(client: Any, style: RequestStyle) -> T | None:
        try:
            return request(client, style)
        except ClientError as error:
            if status_of(error) == _NOT_FOUND and code_of(error) != NO_SUCH_BUCKET:
                return None
            raise

    return request_or_none
