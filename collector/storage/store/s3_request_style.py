"""How a store wants to be asked, where it is not Amazon's: learned from what it answers. Pure.

Two things differ. Some servers refuse the headers of Amazon's newer checksums, and some a bucket that is part of the
path. Both say so, each in its own words; the sources stand beside them.
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
        "400", "501",  # any of these in answer to HEAD, which has no words
    }
)  # fmt: skip
"""What is said of headers that are not known, and of other things as well: only asking without them will tell."""


class RequestStyle(NamedTuple):
    """What a request looks like."""

    addressing: str
    """Where the bucket stands, in botocore's words: path, virtual, or auto."""
    checksums: bool = True
    """Whether objects go up with their SHA-256 and are asked for it; else with Content-MD5, and are read back."""
    is_bound: bool = False
    """Whether somebody has decided where the bucket stands."""

    def after(self, code: str) -> "RequestStyle | None":
        """What to try once the store has refused a request with this code; None: nothing else would help."""
        if code in _WANT_BUCKET_IN_HOST and self.addressing == "path" and not self.is_bound:
            return self._replace(addressing="virtual")
        if code in _MAY_MEAN_CHECKSUMS and self.checksums:
            return self._replace(checksums=False)
        return None

    def with_all_of(self, other: "RequestStyle") -> "RequestStyle":
        """What both have learned: neither knows what the other one was told meanwhile."""
        addressing = other.addressing if self.addressing == "path" else self.addressing
        return self._replace(addressing=addressing, checksums=self.checksums and other.checksums)

    def told_beside(self, before: "RequestStyle") -> list[str]:
        """What is done otherwise than before, for people."""
        told = []
        if self.addressing != before.addressing:
            told.append("it forbids the bucket in the path: it is asked for in the host name")
        if self.checksums != before.checksums:
            told.append("it takes no x-amz-checksum headers: objects go up with Content-MD5, and are read back")
        return told


def first_style(addressing: str, endpoint_url: str) -> RequestStyle:
    """How to begin, by `archive.addressing`. A server of one's own seldom has a name for each bucket; Amazon's have."""
    if addressing != "auto":
        return RequestStyle(addressing, is_bound=True)
    return RequestStyle("path" if endpoint_url else "auto")
