"""Turns boto3's errors into the project's: one line without secrets, with advice, and whether a retry may help."""

from collections.abc import Mapping
from typing import Final

from botocore import exceptions as boto
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from collector import scrub
from collector.domain.errors import StoreError, StoreRefusedError
from collector.domain.redact import printable, redact_urls

NO_SUCH_BUCKET: Final = "NoSuchBucket"

_FAILURES: Final = (boto.BotoCoreError, ClientError, HTTPError, OSError, ValueError)
"""Errors of boto3; ValueError is for an invalid endpoint. Any other error is a response that it cannot parse."""

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


def _text_of(error: BaseException) -> str:
    if not isinstance(error, _FAILURES):
        return f"this is not the response of an S3 server ({type(error).__name__}: {scrub.scrub(str(error))[:_QUOTED_CHARACTERS]})"
    if isinstance(error, boto.EndpointConnectionError):
        reason = error.kwargs["error"]
        return f"{error}: {reason.__cause__ or reason}"
    if not isinstance(error, ClientError):
        return str(error) or type(error).__name__
    message = error.response.get("Error", {}).get("Message", "")
    return f"{code_of(error) or status_of(error)} to {error.operation_name}{f' ({message})' if message else ''}"
