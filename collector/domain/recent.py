"""What a stream keeps of each of its newest messages: one integer, because thousands of streams remember many."""

from typing import Final

DIGEST_BITS: Final = 32
DIGEST_MASK: Final = (1 << DIGEST_BITS) - 1


def packed(received_us: int, digest: int) -> int:
    """Receive time (whole seconds) above, 32-bit digest below."""
    return received_us // 1_000_000 << DIGEST_BITS | digest


def split(recent: dict[int, int], restarted_us: int) -> tuple[dict[int, int], dict[int, int]]:
    """Newest ids of the series that ended and of the one that runs; those of the second between count for the former."""
    if not restarted_us:
        return {}, recent
    last_sec = restarted_us // 1_000_000
    ended = {message_id: value for message_id, value in recent.items() if value >> DIGEST_BITS <= last_sec}
    return ended, {message_id: value for message_id, value in recent.items() if message_id not in ended}
