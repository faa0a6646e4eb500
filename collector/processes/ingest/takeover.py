"""When a connection that replaces another may relieve it: once it brings every stream the other one brings."""

from typing import Final

ANSWER_SECS: Final = 60.0
"""How long the answer to a request is waited for: two connections are not kept for ever because one never comes."""


def has_taken_over(*, has_data: bool, unsent: int, unanswered: int, since_sent_secs: float) -> bool:
    """Whether data flows and every request for streams was answered, or had time enough to be.

    `since_sent_secs` is the time since the last request went out.
    """
    return has_data and unsent == 0 and (unanswered <= 0 or since_sent_secs >= ANSWER_SECS)
