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


# urllib3's own way to say what a pool connects with. It holds for all that botocore asks in this process, the servers
# it gets credentials from included; a client's own pools are out of reach.
AWSHTTPConnectionPool.ConnectionCls = _Connection
AWSHTTPSConnectionPool.ConnectionCls = _TLSConnection


def connect(region: str, endpoint_url: str, addressing: str, environment: Mapping[str, str]) -> Any:
    """A client for S3. It does not retry: its caller does, and says so. Raises what `explained` explains, or
    StoreRefusedError.

    `addressing` says where the bucket stands: path, virtual (in the host name), or auto, as botocore does by itself. With
    an endpoint no redirect is followed: only Amazon's name a region.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECS,
        read_timeout=READ_TIMEOUT_SECS,
        retries={"total_max_attempts": 1},
        max_pool_connections=MAX_CONNECTIONS,
        s3={"addressing_style": addressing},
        # Keys are made here, and the configuration was checked: to look at them again takes time with every request.
        parameter_validation=False,
        # One that is named is not put together anew for every request, which took a tenth of its CPU.
        user_agent=f"market-data-collector/{__version__} boto3/{boto3.__version__}",
        # Checksums are the caller's: sent with each put, compared after each fetch.
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
