"""boto3 as the archive uses it: a client with time limits and credentials, and its errors with advice.

Credentials may be in the environment under the short names AWS_ACCESS_KEY and AWS_SECRET_KEY, too; all else is found by
boto3: environment, ~/.aws, the role of the machine.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3
from botocore import exceptions as boto
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.credentials import ProcessProvider
from botocore.exceptions import ClientError
from botocore.utils import determine_content_length
from urllib3.exceptions import HTTPError

from collector import __version__, scrub
from collector.dial.http import DialledConnection
from collector.domain.errors import StoreError, StoreRefusedError
from collector.domain.redact import printable, redact_urls
from collector.domain.secrets import of_key_id, unfit, unfit_keys

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

NO_SUCH_BUCKET: Final = "NoSuchBucket"

_FAILURES: Final = (boto.BotoCoreError, ClientError, HTTPError, OSError, ValueError)
"""Errors of boto3; ValueError is for an invalid endpoint. Any other error is a response that it cannot parse."""

_ACCESS_KEY: Final = ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
_SECRET_KEY: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
_FIELDS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

_PASSING: Final = frozenset(
    {
        # The server received other bytes than were sent.
        "BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch",
        # The server asks to retry later.
        "ConditionalRequestConflict", "OperationAborted", "RequestLimitExceeded", "RequestTimeout", "SlowDown",
        "Throttling", "ThrottlingException", "KMS.ThrottlingException", "TooManyRequests",
        # This machine's clock is wrong until it is set.
        "RequestTimeTooSkewed",
    }
)  # fmt: skip
"""Codes with a status below 500 that pass by themselves. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

_MOVED: Final = 300
_BAD_REQUEST: Final = 400
_QUOTED_CHARACTERS: Final = 200
"""Longest quote of an unexpected error, in characters."""

_PASSING_STATUSES: Final = frozenset({408, 429})

_CONFIGURATION_ERRORS: Final = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.ConfigNotFound,
    boto.ConfigParseError,
    boto.SSOError,
    boto.NoRegionError,
    boto.InvalidRegionError,
    boto.ParamValidationError,
    ValueError,
)
"""Errors that boto3 raises before it calls the server, and will raise again until somebody changes something."""

_KEYS_WRONG: Final = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile, or the machine's role)"
_POLICY: Final = "docs/OPERATIONS.md has the policy that is needed"
_IN_THE_PATH: Final = "set archive.addressing to auto or virtual"
_KMS_WRONG: Final = "check archive.sse_kms_key_id and that these credentials may use that key"
_ADVICE: Final[Mapping[str, str]] = {
    "403": f"{_KEYS_WRONG}; {_POLICY}",
    "AccessDenied": _POLICY,
    "AllAccessDisabled": _POLICY,
    "AuthorizationHeaderMalformed": "check archive.region",
    "ExpiredToken": _KEYS_WRONG,
    "IllegalLocationConstraintException": "check archive.region",
    "InvalidAccessKeyId": _KEYS_WRONG,
    "InvalidLocationConstraint": "check archive.region",
    "InvalidPathAccess": _IN_THE_PATH,
    "InvalidToken": _KEYS_WRONG,
    "KMS.AccessDeniedException": _KMS_WRONG,
    "KMS.DisabledException": _KMS_WRONG,
    "KMS.NotFoundException": _KMS_WRONG,
    "PathStyleDomainForbidden": _IN_THE_PATH,
    "PermanentRedirect": "check archive.region and archive.endpoint_url",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SecondLevelDomainForbidden": _IN_THE_PATH,
    "SignatureDoesNotMatch": _KEYS_WRONG,
    "VirtualHostDomainRequired": _IN_THE_PATH,
}
"""Advice for people, by error code."""


class _Connection(DialledConnection, AWSHTTPConnection):  # type: ignore[misc]  # botocore has no types
    pass


class _TLSConnection(DialledConnection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


# urllib3's own way to say what a pool connects with. It holds for all that botocore asks in this process, the servers
# it gets credentials from included; a client's own pools are out of reach.
AWSHTTPConnectionPool.ConnectionCls = _Connection
AWSHTTPSConnectionPool.ConnectionCls = _TLSConnection


def _without_words(ask: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Get credentials as `ask` does; an error has nothing of what a profile's process printed, which may be a secret."""

    def asked(provider: Any, command: str) -> Any:
        try:
            return ask(provider, command)
        except boto.CredentialRetrievalError:
            profile = provider._profile_name  # noqa: SLF001 -- it says it nowhere else
            reason = f"credential_process of profile {profile} brought none; run it by hand to see why"
            raise boto.CredentialRetrievalError(provider=provider.METHOD, error_msg=reason) from None

    return asked


# On the class: botocore makes such providers in several places, and logs the errors of a later refresh by itself.
ProcessProvider._retrieve_credentials_using = _without_words(  # noqa: SLF001
    ProcessProvider._retrieve_credentials_using  # noqa: SLF001
)


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
    _check_credentials(session, environment)
    client = session.client("s3", region_name=region or None, endpoint_url=endpoint_url or None, config=config)
    client.meta.events.register_last("before-send.s3", _hide_token)
    client.meta.events.register_last("before-call.s3", _expect_only_for_large_bodies)
    if endpoint_url:
        client.meta.events.register_last("before-parameter-build.s3", _follow_no_redirect)
    return client


def _check_credentials(session: Any, environment: Mapping[str, str]) -> None:
    """Hide the credentials in logs from now on. Raises StoreRefusedError for one that cannot be sent in a header.

    It names that one. boto3's own error would quote it, with the rest of the header.
    """
    found = session.get_credentials()
    if found is None:
        return
    keys = found.get_frozen_credentials()
    scrub.know([*of_key_id(keys.access_key), keys.secret_key, keys.token or ""])
    where = f"from {found.method}, profile {session.profile_name}"
    named = zip(_FIELDS, (keys.access_key, keys.secret_key, keys.token or ""), strict=True)
    of_others = [f"{name} ({where}): {fault}" for name, key in named if (fault := unfit(key))]
    if faults := [*unfit_keys(environment)] or of_others:
        raise StoreRefusedError("; ".join(faults))


def _hide_token(request: Any, **_: object) -> None:
    """Hide a session token in logs: a role's credentials change every few hours."""
    token = request.headers.get("X-Amz-Security-Token", "")
    scrub.know([token.decode() if isinstance(token, bytes) else token])


def keys_from(environment: Mapping[str, str]) -> dict[str, str]:
    """The credentials in the environment if a short name is used for one; empty if boto3 finds them by itself.

    Raises StoreRefusedError if only half of them is set.
    """
    access, secret = (
        next((name for name in names if environment.get(name)), None) for names in (_ACCESS_KEY, _SECRET_KEY)
    )
    if access in {None, _ACCESS_KEY[0]} and secret in {None, _SECRET_KEY[0]}:
        return {}
    if access is None or secret is None:
        raise StoreRefusedError(
            f"{access or secret} is set without {' or '.join(_ACCESS_KEY if secret else _SECRET_KEY)}"
        )
    keys = {"aws_access_key_id": environment[access], "aws_secret_access_key": environment[secret]}
    token = environment.get("AWS_SESSION_TOKEN")
    return keys | ({"aws_session_token": token} if token else {})


def code_of(error: BaseException) -> str:
    """The server's error code ("NoSuchBucket"; for HEAD only the status); "" for other errors."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def status_of(error: BaseException) -> int:
    """The HTTP status of the response; 0 if there was none."""
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def will_pass(error: BaseException) -> bool:
    """Whether a retry may succeed although nobody changes anything."""
    if isinstance(error, ClientError):
        status = status_of(error)
        return status >= 500 or status in _PASSING_STATUSES or code_of(error) in _PASSING  # noqa: PLR2004 -- server errors
    return not isinstance(error, _CONFIGURATION_ERRORS)


def explained(what: str, error: BaseException, advice: str = "") -> StoreError:
    """The StoreError for one of boto3's errors: one line without secrets, with the request, the response and advice."""
    advice = advice or _ADVICE.get(code_of(error), "")
    if _MOVED <= status_of(error) < _BAD_REQUEST:
        advice = advice or "the bucket is in another region or behind another endpoint: " + _ADVICE["PermanentRedirect"]
    if isinstance(error, boto.NoCredentialsError):
        advice = "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    text = printable(f"{what}: {redact_urls(scrub.scrub(_text_of(error)))}{f'; {advice}' if advice else ''}")
    return StoreError(text) if will_pass(error) else StoreRefusedError(text)


def _expect_only_for_large_bodies(params: dict[str, Any], **_: object) -> None:
    if "Expect" in params["headers"] and (determine_content_length(params["body"]) or 0) <= EXPECT_OVER_BYTES:
        del params["headers"]["Expect"]


def _follow_no_redirect(context: dict[str, Any], **_: object) -> None:
    """Mark each request as redirected already: otherwise boto3 asks for the region, which is redirected as well."""
    context["s3_redirect"]["redirected"] = True


def _text_of(error: BaseException) -> str:
    if not isinstance(error, _FAILURES):
        return f"this is not the response of an S3 server ({type(error).__name__}: {scrub.scrub(str(error))[:_QUOTED_CHARACTERS]})"
    if isinstance(error, boto.EndpointConnectionError):
        reason = error.kwargs["error"]
        return f"{error}: {reason.__cause__ or reason}"
    if not isinstance(error, ClientError):
        return str(error) or type(error).__name__
    said = error.response.get("Error", {}).get("Message", "")
    return f"{code_of(error) or status_of(error)} to {error.operation_name}{f' ({said})' if said else ''}"
