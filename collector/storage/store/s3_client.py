"""A boto3 client as the archive uses it: with time limits, without retries, and dialling past dead addresses."""

from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.utils import determine_content_length

from collector import __version__
from collector.dial.http import DialledConnection
from collector.storage.store.s3_credentials import check_credentials, hide_token, keys_from

CONNECT_TIMEOUT_SECS: Final = 5
"""Timeout of connecting, whichever of the server's addresses answers, and of sending each block."""

READ_TIMEOUT_SECS: Final = 30
"""Timeout of each read of a response, the first included."""

MAX_CONNECTIONS: Final = 32
"""Connections kept open for the threads that use the client."""

EXPECT_OVER_BYTES: Final = 256 << 10
"""Larger bodies are sent with `Expect: 100-continue`, which costs a round trip.

Servers that refuse a request read this much of its body (Go's: https://pkg.go.dev/net/http), so their response arrives.
"""


class _Connection(DialledConnection, AWSHTTPConnection):  # type: ignore[misc]  # botocore has no types
    pass


class _TLSConnection(DialledConnection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


# urllib3's documented way to set a pool's connection class. It holds for all of botocore in this process, requests for
# credentials included; botocore does not take one per client.
AWSHTTPConnectionPool.ConnectionCls = _Connection
AWSHTTPSConnectionPool.ConnectionCls = _TLSConnection


def connect(region: str, endpoint_url: str, addressing: str, environment: Mapping[str, str]) -> Any:
    """Make a client for S3. It does not retry: its caller does, and logs that.

    `addressing` tells where requests name the bucket: path, virtual (in the host name), or auto (botocore's choice).
    With an endpoint no redirect is followed, because only Amazon's redirects name a region. Raises StoreRefusedError,
    and the errors that `explained` takes.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECS,
        read_timeout=READ_TIMEOUT_SECS,
        retries={"total_max_attempts": 1},
        max_pool_connections=MAX_CONNECTIONS,
        s3={"addressing_style": addressing},
        # Keys are built by this program and the configuration was checked: validating them again would slow each request.
        parameter_validation=False,
        # A fixed user agent: building the default one took a tenth of each request's CPU time.
        user_agent=f"market-data-collector/{__version__} boto3/{boto3.__version__}",
        # The caller sends a checksum with each put, and compares it after each fetch.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = boto3.session.Session(**keys_from(environment))
    check_credentials(session, environment)
    client = session.client("s3", region_name=region or None, endpoint_url=endpoint_url or None, config=config)
    client.meta.events.register_last("before-send.s3", hide_token)
    client.meta.events.register_last("before-call.s3", _expect_only_for_large_bodies)
    if endpoint_url:
        client.meta.events.register_last("before-parameter-build.s3", _follow_no_redirect)
    return client


def _expect_only_for_large_bodies(params: dict[str, Any], **_: object) -> None:
    if "Expect" in params["headers"] and (determine_content_length(params["body"]) or 0) <= EXPECT_OVER_BYTES:
        del params["headers"]["Expect"]


def _follow_no_redirect(context: dict[str, Any], **_: object) -> None:
    """Mark each request as redirected already: otherwise boto3 asks for the region, which is redirected as well."""
    context["s3_redirect"]["redirected"] = True
