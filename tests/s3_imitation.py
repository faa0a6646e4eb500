"""An imitation of S3 servers beside Amazon's, on loopback: it keeps objects, and refuses as the real ones were seen to.

Only what the recorder asks for is there: PUT, HEAD, GET and a list of keys. Signatures are not checked.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.loopback_server import HttpServer, QuietHandler

BUCKET = "bucket"


class Request(NamedTuple):
    method: str
    bucket_in_host: bool
    headers: Mapping[str, str]
    """Names in small letters."""

    def checksum_headers(self) -> list[str]:
        return [name for name in self.headers if name.startswith(("x-amz-checksum-", "x-amz-sdk-checksum-"))]


class Refusal(NamedTuple):
    status: int
    code: str
    message: str


Refuses = Callable[[Request], Refusal | None]


def backblaze(request: Request) -> Refusal | None:
    """https://github.com/iterate-ch/cyberduck/issues/16107, https://github.com/vatesfr/xen-orchestra/issues/8358."""
    for name in request.checksum_headers():
        return Refusal(400, "InvalidArgument", f"Unsupported header '{name}' received for this API call.")
    return None


def cloudflare_once(request: Request) -> Refusal | None:
    """As it was before June 2023: https://github.com/cloudflare/cloudflare-docs/issues/4508."""
    for name in request.checksum_headers():
        value = request.headers[name]
        return Refusal(501, "NotImplemented", f"Header '{name}' with value '{value}' not implemented")
    return None


def object_lock(request: Request) -> Refusal | None:
    """https://github.com/fluent/fluent-bit/issues/3035."""
    if request.method == "PUT" and "content-md5" not in request.headers:
        what = "Content-MD5 HTTP header is required for Put Object requests with Object Lock parameters"
        return Refusal(400, "InvalidRequest", what)
    return None


def google(request: Request) -> Refusal | None:
    """https://github.com/EnterpriseDB/barman/issues/1112."""
    if request.method == "PUT" and request.checksum_headers():
        return Refusal(403, "SignatureDoesNotMatch", "Invalid argument.")
    return None


def aliyun(request: Request) -> Refusal | None:
    """https://github.com/treeverse/lakeFS/issues/3490."""
    if request.bucket_in_host:
        return None
    return Refusal(403, "SecondLevelDomainForbidden", "Please use virtual hosted style to access.")


def tencent(request: Request) -> Refusal | None:
    """https://github.com/gobackup/gobackup/issues/268."""
    if request.bucket_in_host:
        return None
    what = "The bucket you are attempting to access must be addressed using COS virtual-styled domain."
    return Refusal(403, "PathStyleDomainForbidden", what)


def volcengine(request: Request) -> Refusal | None:
    """https://github.com/apache/opendal/issues/6549."""
    if request.bucket_in_host:
        return None
    return Refusal(403, "InvalidPathAccess", "Forbidden path to access server.")


def aliyun_without_checksums(request: Request) -> Refusal | None:
    """Both at once: nobody was seen to, and nobody has promised not to."""
    return aliyun(request) or backblaze(request)


class S3Imitation(HttpServer):
    """Serves `bucket` at `host`; a request can have the bucket in the host only if that is a name."""

    def __init__(self, refuses: Refuses, host: str = "127.0.0.1") -> None:
        imitation = self
        self.objects: dict[str, bytes] = {}
        self.refused: list[Request] = []
        self.seen: list[Request] = []
        self.keeps_otherwise: Callable[[bytes], bytes] = bytes
        """What becomes of bytes on their way to the disk."""

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                name = self.headers["Host"].partition(":")[0]
                parts = urlsplit(self.path)
                in_host = name == f"{BUCKET}.{host}"
                key = unquote(parts.path.lstrip("/") if in_host else parts.path.lstrip("/").partition("/")[2])
                headers = {field.lower(): value for field, value in self.headers.items()}
                request = Request(self.command, in_host, headers)
                imitation.seen.append(request)
                refusal = refuses(request) or _wrong(request, body)
                if refusal is not None:
                    imitation.refused.append(request)
                    self.answer(refusal.status, _error(refusal))
                elif self.command == "PUT":
                    imitation.objects[key] = imitation.keeps_otherwise(body)
                    self.answer(200, b"")
                elif not key:
                    self.answer(200, _list(imitation.objects, parts.query))
                elif key in imitation.objects:
                    self.answer(200, imitation.objects[key])
                else:
                    self.answer(404, _error(Refusal(404, "NoSuchKey", "The specified key does not exist.")))

            do_GET = do_HEAD = do_PUT = take  # noqa: N815 -- names the base class asks for

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        super().__init__(Handler, host, "127.0.0.1")


def _wrong(request: Request, body: bytes) -> Refusal | None:
    digests = {"content-md5": "md5", "x-amz-checksum-sha256": "sha256"}
    for name, algorithm in digests.items():
        promised = request.headers.get(name)
        if promised is not None and b64decode(promised) != hashlib.new(algorithm, body).digest():
            found = b64encode(hashlib.new(algorithm, body).digest()).decode()
            return Refusal(400, "BadDigest", f"The {name} you specified did not match what we received: {found}")
    return None


def _error(refusal: Refusal) -> bytes:
    text = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()


def _list(objects: Mapping[str, bytes], query: str) -> bytes:
    (prefix,) = parse_qs(query, keep_blank_values=True)["prefix"]
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(held)}</Size></Contents>"
        for key, held in list(objects.items())
        if key.startswith(prefix)
    )
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()
