"""What each reason of ill health means and what to do about it, as the page shows it and docs/OPERATIONS.md prints it."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class ReasonHelp(NamedTuple):
    """Plain text; `chapter` is the heading in docs/OPERATIONS.md that says more."""

    meaning: str
    remedy: str
    chapter: str = ""


REASON_HELP: Final[Mapping[str, ReasonHelp]] = {
    "journal_over_budget": ReasonHelp(
        "the disk budget is spent, or less than journal.min_free_bytes is free: new frames are refused and lost",
        "free space on the disk of data_dir, or raise journal.max_bytes; recording resumes by itself, and the gap ledger "
        "has the stretch that was refused",
    ),
    "child_failing": ReasonHelp(
        "a process died and waits to be started again, was restarted three times within 5 minutes, or runs and has "
        "reported nothing for more than 30 s; or the supervisor itself hangs",
        "read process_died and process_failed in the log for the cause. A process that hangs is killed after "
        "supervisor.hang_timeout_secs; one that waits for the disk is not: check the disk (dmesg, iostat -x). The other "
        "processes go on",
    ),
    "symbols_unknown": ReasonHelp(
        "a feed's symbols are patterns or top:N, and the exchange's list of instruments is not there yet, has nothing "
        "that matches, or suddenly lacks most of the symbols that are recorded: what cannot be chosen is not recorded; "
        "symbols that are known from before go on",
        "check that the exchange's REST server can be reached (collector symbols EXCHANGE asks it), that repair.enabled is "
        "true, and that the patterns match; the feed goes on by itself once there is a list",
        "Every pair of an exchange",
    ),
    "stream_silent": ReasonHelp(
        "configured streams have had no durable row for longer than their rhythm allows",
        "if another reason is shown, remove that first: it often explains the silence. Else check that the exchange "
        "still trades the symbols under these names, and the network; the recorder keeps trying by itself",
        "When a stream is silent",
    ),
    "frames_undecodable": ReasonHelp(
        "within 5 minutes at least 20 frames, and more than 1 % of what an exchange sent, could not be decoded",
        "read frame_undecodable in the log for a sample: the exchange has probably changed a message, which takes a newer "
        "version of the recorder. The frames are kept as undecoded rows, so nothing is lost",
        "When frames are undecodable",
    ),
    "writer_behind": ReasonHelp(
        "the journal is more than a minute ahead of the database; or, while rows of a stream are overdue, further ahead "
        "than that stream may be silent",
        "check whether the disk is slow or the processor busy; nothing is lost meanwhile",
    ),
    "disk_filling": ReasonHelp(
        "at the present rate the disk will be full within a day: only journal.min_free_bytes would be left",
        "free space, or move data_dir to a larger disk",
        "When the disk is filling",
    ),
    "store_unreachable": ReasonHelp(
        "the archive's store takes no objects, or refuses those of some segments: the text has the error, and the key if "
        "it concerns one object. Or a segment cannot be read at present",
        "make the store accept objects again (network, credentials, permissions, space); segments wait on disk and "
        "are then uploaded",
        "When the store is away",
    ),
    "clock_off": ReasonHelp(
        "receive times and the exchange's times differ by more than half a second, even for the fastest message of the "
        "last minutes",
        "let NTP set this machine's clock; if only one exchange is named, its clock may be the one that is off",
        "When the clock is off",
    ),
    "segment_quarantined": ReasonHelp(
        "sealed segments lie in quarantine/ because they could not be archived",
        "read segment_failed in the log for the cause; once that is fixed, move the file back into segments/, else keep "
        "it elsewhere or remove it",
        "A segment in quarantine",
    ),
    "seal_delayed": ReasonHelp(
        "the open segment is more than twice segment.max_bytes, because a program keeps reading it",
        "end that program; nothing is lost meanwhile",
    ),
    "data_removed": ReasonHelp(
        "in the last ten minutes somebody removed files in segments/, or a journal, that the running recorder was writing",
        "leave data_dir alone while the recorder runs; nothing is lost of files that it still held open",
        "Files that somebody removes",
    ),
}
"""For every code of `health.RULES`."""
