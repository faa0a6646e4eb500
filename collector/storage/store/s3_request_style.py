"""How S3-compatible servers want requests to differ from Amazon's: learned from the errors they return. Pure.

Two things differ. Some servers refuse the headers of Amazon's newer checksums, and some refuse the bucket in the path.
Both return an error, each with a code of its own; the sources are beside the codes.
"""

from typing import Final, NamedTuple

_WANT_BUCKET_IN_HOST: Final = frozenset(
    {
        "SecondLevelDomainForbidden",  # Aliyun OSS: https://github.com/treeverse/lakeFS/issues/3490
        "PathStyleDomainForbidden",  # Tencent COS: https://github.com/gobackup/gobackup/issues/268
        "InvalidPathAccess",  # Volcengine TOS: https://github.com/apache/opendal/issues/6549
        "VirtualHostDomainRequired",  # Huawei OBS: https://github.com/cloudlena/s3manager/issues/82
    }
)

_MAY_MEAN_CHECKSUMS: Final = frozenset(
    {
        "InvalidArgument",  # Backblaze B2: https://github.com/vatesfr/xen-orchestra/issues/8358
        "NotImplemented",  # Cloudflare R2: https://github.com/cloudflare/cloudflare-docs/issues/4508
        "InvalidRequest", "MissingContentMD5",  # object lock: https://github.com/fluent/fluent-bit/issues/3035
        "SignatureDoesNotMatch",  # Google Cloud Storage: https://github.com/EnterpriseDB/barman/issues/1112
        "400", "501",  # any of these in response to HEAD, which has no body
    }
)  # fmt: skip
"""Codes for unknown headers, and for other errors as well: only a request without the headers tells."""


class RequestStyle(NamedTuple):
    """How requests are made."""

    addressing: str
    """Where requests name the bucket, in botocore's terms: path, virtual, or auto."""
    checksums: bool = True
    """Whether objects are put with their SHA-256 and the server is asked for it; otherwise with Content-MD5, and read back."""
    is_bound: bool = False
    """Whether the configuration fixes the addressing."""

    def after(self, code: str) -> "RequestStyle | None":
        """The style to try after an error with this code; None if no other style would help."""
        if code in _WANT_BUCKET_IN_HOST and self.addressing == "path" and not self.is_bound:
            return self._replace(addressing="virtual")
        if code in _MAY_MEAN_CHECKSUMS and self.checksums:
            return self._replace(checksums=False)
        return None

    def merged_with(self, other: "RequestStyle") -> "RequestStyle":
        """What either has learned: two threads learn independently of each other."""
        addressing = other.addressing if self.addressing == "path" else self.addressing
        return self._replace(addressing=addressing, checksums=self.checksums and other.checksums)

    def changes_since(self, before: "RequestStyle") -> list[str]:
        """Texts for people that say how this style differs from the one before."""
        changes = []
        if self.addressing != before.addressing:
            changes.append("it forbids the bucket in the path: requests name it in the host name")
        if self.checksums != before.checksums:
            changes.append("it takes no x-amz-checksum headers: objects are uploaded with Content-MD5 and read back")
        return changes


def first_style(addressing: str, endpoint_url: str) -> RequestStyle:
    """The first style, by `archive.addressing`. Self-hosted servers seldom have a host name for each bucket; Amazon has."""
    if addressing != "auto":
        return RequestStyle(addressing, is_bound=True)
    return RequestStyle("path" if endpoint_url else "auto")
