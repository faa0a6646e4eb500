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
    "feed_silent": ReasonHelp(
        "on an edge, which stores no rows: no connection of a feed has brought data for longer than usual",
        "check the network, and whether the exchange works; the edge keeps trying by itself, and where another edge "
        "receives the same symbols nothing is missing",
        "Several hosts",
    ),
    "symbols_uncovered": ReasonHelp(
        "fewer edges than share.copies receive some symbols: what no edge receives is lost, and what one receives has "
        "no second copy",
        "start the edges that are missing, or lower share.copies; collector status shows which edges are there",
        "Several hosts",
    ),
    "edge_silent": ReasonHelp(
        "an edge that was seen has shown no sign of life for half a minute: its host or its network is down, or it was "
        "stopped. After a day without one it counts as taken out of service",
        "start it again; what it had received waits in its journal and comes then. Its symbols are lost meanwhile unless "
        "other edges receive them",
        "Several hosts",
    ),
    "frames_undecodable": ReasonHelp(
        "within 5 minutes at least 20 frames, and more than 1 % of what an exchange sent, could not be decoded",
        "read frame_undecodable in the log for a sample: the exchange has probably changed a message, which takes a newer "
        "version of the recorder. The frames are kept as undecoded rows, so nothing is lost",
        "When frames are undecodable",
    ),
    "relay_refused": ReasonHelp(
        "the relay does not take what an edge sends: the text says why",
        "mend what the text names; the edge keeps what is not taken, and sends it again by itself",
        "Several hosts",
    ),
    "relay_hole": ReasonHelp(
        "slices of an edge's journal are missing, and have not come again for half a minute",
        "see whether that edge runs and reaches NATS: it sends again from where storage stands. What it no longer has is "
        "said to be lost, and becomes a gap row",
        "Several hosts",
    ),
    "nats_away": ReasonHelp(
        "a process of this host has had no connection to NATS for ten seconds, or most of its servers do not answer",
        "start the servers again, or mend the network to them: collector check says what is missing. Edges record on "
        "into their journals, and send them later",
        "Several hosts",
    ),
    "publish_behind": ReasonHelp(
        "storage does not have what this edge received a minute ago and earlier",
        "see on the storage host whether its relay runs and its disk has room, and whether NATS takes as much as is "
        "received. Nothing is lost until journal.max_bytes of this edge is spent",
        "Several hosts",
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
    "tables_behind": ReasonHelp(
        "segments are in the archive, and the Iceberg tables have not had a commit for fifteen minutes",
        "make the catalog reachable, and see in the log what the tabler says; the archive itself is complete, and the "
        "tables follow by themselves",
        "Several hosts",
    ),
    "host_unhealthy": ReasonHelp(
        "another host says that it is not healthy: the text has its reasons",
        "look at that host: collector status there says what is wrong, and this table what to do",
        "Several hosts",
    ),
    "hosts_differ": ReasonHelp(
        "hosts that should agree do not: edges have another share.copies or choose other symbols, or two hosts have one "
        "host_name; in doubt more is recorded, so nothing is lost",
        "give all edges the same feeds and share.copies, and each host a name of its own; the text says what differs",
        "Several hosts",
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
