"""Errors of S3 servers: which ones pass by themselves, and the advice for the others."""

import pytest
from botocore.exceptions import ClientError

from collector.domain.errors import StoreRefusedError
from collector.storage.store import s3_errors


def error(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalError", 500),
        ("SlowDown", 503),
        ("503", 503),
        ("RequestTimeout", 400),
        ("BadDigest", 400),
        ("XAmzContentSHA256Mismatch", 400),
        ("RequestTimeTooSkewed", 403),
        ("OperationAborted", 409),
        ("Whatever", 429),
        ("KMS.ThrottlingException", 400),
    ],
)
def test_a_temporary_error_is_not_a_refusal(code: str, status: int) -> None:
    assert not isinstance(s3_errors.explained("key", error(code, status)), StoreRefusedError)


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        ("AccessDenied", 403, "policy"),
        ("403", 403, "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", 403, "AWS_SECRET_ACCESS_KEY"),
        ("ExpiredToken", 400, "AWS_ACCESS_KEY_ID"),
        ("KMS.NotFoundException", 400, "archive.sse_kms_key_id"),
        ("KMS.DisabledException", 400, "archive.sse_kms_key_id"),
        ("PermanentRedirect", 301, "archive.region"),
        ("AuthorizationHeaderMalformed", 400, "archive.region"),
        ("NoSuchBucket", 404, ""),
        ("EntityTooLarge", 400, ""),
        ("InvalidStorageClass", 400, ""),
    ],
)
def test_a_lasting_error_is_a_refusal_that_says_what_to_do(code: str, status: int, advice: str) -> None:
    refusal = s3_errors.explained("key", error(code, status))
    assert isinstance(refusal, StoreRefusedError)
    assert str(refusal).startswith(f"key: {code} to PutObject (m)")
    assert advice in str(refusal)
