"""When a connection has taken over from the one it replaces: once it brings every stream of the plan."""

from typing import Final

ANSWER_SECS: Final = 60.0
"""How long to wait for the answer to a subscribe request: if one never comes, the old connection is closed all the same."""


def has_taken_over(*, has_data: bool, unsent: int, unanswered: int, since_sent_secs: float) -> bool:
    """Whether data flows and every subscribe request was answered, or was sent at least ANSWER_SECS ago.

    `since_sent_secs` is the time since the last request was sent.
    """
    return has_data and unsent == 0 and (unanswered <= 0 or since_sent_secs >= ANSWER_SECS)
