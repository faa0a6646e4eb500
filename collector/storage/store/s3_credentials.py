"""Credentials for S3: found in the environment or by boto3, checked before they are used, and hidden in logs.

They may be in the environment under the short names AWS_ACCESS_KEY and AWS_SECRET_KEY, too; all else is found by boto3:
environment, ~/.aws, the role of the machine.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore import exceptions as boto
from botocore.credentials import ProcessProvider

from collector import scrub
from collector.domain.errors import StoreRefusedError
from collector.domain.secrets import of_key_id, unfit, unfit_keys

_ACCESS_KEY: Final = ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
_SECRET_KEY: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
_FIELDS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def _without_output(ask: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wraps `ask`: its error does not quote the output of a profile's `credential_process`, which may be a secret."""

    def asked(provider: Any, command: str) -> Any:
        try:
            return ask(provider, command)
        except boto.CredentialRetrievalError:
            profile = provider._profile_name  # noqa: SLF001 -- there is no public name
            reason = f"credential_process of profile {profile} returned no credentials; run it by hand to see why"
            raise boto.CredentialRetrievalError(provider=provider.METHOD, error_msg=reason) from None

    return asked


# Set on the class: botocore makes such providers in several places, and logs the errors of a later refresh itself.
ProcessProvider._retrieve_credentials_using = _without_output(  # noqa: SLF001
    ProcessProvider._retrieve_credentials_using  # noqa: SLF001
)


def check_credentials(session: Any, environment: Mapping[str, str]) -> None:
    """Hide the credentials in logs from now on. Raises StoreRefusedError for one that cannot be sent in a header.

    It names that one. boto3's own error would quote it, with the rest of the header.
    """
    found = session.get_credentials()
    if found is None:
        return
    keys = found.get_frozen_credentials()
    scrub.know([*of_key_id(keys.access_key), keys.secret_key, keys.token or ""])
    source = f"from {found.method}, profile {session.profile_name}"
    named = zip(_FIELDS, (keys.access_key, keys.secret_key, keys.token or ""), strict=True)
    of_others = [f"{name} ({source}): {fault}" for name, key in named if (fault := unfit(key))]
    if faults := [*unfit_keys(environment)] or of_others:
        raise StoreRefusedError("; ".join(faults))


def hide_token(request: Any, **_: object) -> None:
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
