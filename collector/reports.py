"""What each process reports of itself about once a second: the supervisor and whoever shows the status read these values.

A report travels as the JSON object `run/stats/<process>.json`. Every field has a default, for what a process does not
know yet. Times are microseconds since 1970, unless a name says otherwise.
"""

from enum import Enum, auto
from typing import Annotated, NamedTuple

import msgspec

from collector.domain.records import Gap


class Total(Enum):
    """How a count goes on when its process is replaced by a new one."""

    ADDED = auto()
    """Each process counts from 0: the total is the sum over all of them."""
    RESUMED = auto()
    """A new process goes on from what was committed: the total is the largest number that was reported."""


Count = Annotated[int, Total.ADDED]
ResumedCount = Annotated[int, Total.RESUMED]
LabelCounts = Annotated[list[tuple[str, int]], Total.ADDED]
"""Rows of a label and its count."""


class RecentEvent(NamedTuple):
    """An event of level info or above, as each report of a process repeats it; in JSON an array."""

    number: int
    """Counts from 1 in each process."""
    at: str
    level: str
    event: str
    text: str
    """The remaining fields, as `key=value key=value`."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What every process reports; the shared code around its work fills these fields in."""

    role: str = ""
    """The name of the process, such as `writer` or `ingest:binance`."""
    pid: int = 0
    incarnation: int = 0
    """How often the supervisor has started it; with `pid` it names one life of it."""
    state: str = ""
    config_number: int = 0
    """Which of the run's configurations it works by: a process that takes up newer ones says so; 0 is that of its start."""
    updated_us: int = 0
    log_lines_dropped: Count = 0
    events: list[RecentEvent] = []


class LineReport(msgspec.Struct, kw_only=True):
    """One connection of one line of a feed. Only its reader's thread writes it."""

    line: int
    plan: int
    """Number of the plan it carries, from 0."""
    streams: int
    connection: int | None = None
    state: str = "waiting"
    last_data_us: int | None = None
    last_error: str | None = None


class JournalReport(msgspec.Struct, frozen=True, kw_only=True):
    """The journal that an ingest appends to: where it stands in its newest file, and what all files take."""

    number: int = 0
    position: int = 0
    files: int = 0
    bytes: int = 0


class IngestReport(Report, frozen=True, kw_only=True):
    """What the ingest of a feed reports."""

    feed: str = ""
    frames: Count = 0
    bytes: Count = 0
    refused: Count = 0
    """Frames that were not appended because the disk budget is spent."""
    refused_bytes: Count = 0
    journal_removed: bool = False
    """Whether somebody has lately removed a journal file that was being written."""
    control: Count = 0
    """Frames without market data."""
    subscriptions_refused: Count = 0
    reconnects: Count = 0
    connect_failures: Count = 0
    never_spoke: Count = 0
    """Streams that brought nothing in time after they were subscribed."""
    symbols_trouble: str = ""
    """Why the feed's symbols cannot be chosen from the exchange's list; empty if they can, or are all configured by name."""
    share_number: int = 0
    """On an edge that shares symbols out: the newest share whose symbols all its connections bring; 0 while they do not."""
    disconnects: LabelCounts = []
    """By cause."""
    unheard: list[tuple[str, str]] = []
    """While another ingest of the feed runs beside this one, which began later: symbol and data type of the streams that
    this one has not yet brought on every line."""
    lines: list[LineReport] = []
    journal: JournalReport = JournalReport()


class StreamNumbers(NamedTuple):
    """A stream in the writer's report; in JSON an array, because a recorder may have thousands of them.

    `messages` are those read from the journal, copies left out; `stored` of them are durable.
    """

    exchange: str
    symbol: str
    data_type: str
    messages: int = 0
    bytes: int = 0
    duplicates: int = 0
    duplicate_bytes: int = 0
    stored: int = 0
    stored_bytes: int = 0
    gaps: int = 0
    last_received_us: int | None = None
    last_durable_us: int | None = None
    silence_limit_secs: float | None = None
    """How long the stream may be silent, by the intervals learned and stored with it."""
    saved: int | None = None
    """Messages that one line skipped and another one brought; None where the ids cannot show it."""
    first: tuple[tuple[int, int], ...] = ()
    """Lines, and how many messages each brought first, since several lines have stood."""


class JournalLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the writer is behind with the journal of a feed."""

    feed: str
    lag_bytes: int = 0
    lag_secs: float = 0.0
    unread_files: int = 0
    files: int = 0


class SegmentsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The segments on disk."""

    open: int = 0
    open_bytes: int = 0
    sealed: int = 0


class WriterReport(Report, frozen=True, kw_only=True):
    """What the writer reports. Counts that commit with the rows are resumed by the next writer."""

    batch_size: int = 0
    batch_limit: int = 0
    commit_secs: float | None = None
    """How long the last commit took."""
    messages: ResumedCount = 0
    stored: ResumedCount = 0
    duplicates: ResumedCount = 0
    undecodable: ResumedCount = 0
    refused: ResumedCount = 0
    """Frames that ingest refused, as its journal says."""
    late: ResumedCount = 0
    unasked: ResumedCount = 0
    """Frames of channels that nobody subscribed."""
    frame_holes: ResumedCount = 0
    """How often frames of a connection were lost, as the exchange's numbers of frames show."""
    book_checks: Annotated[list[tuple[str, int]], Total.ADDED] = []
    """Book messages by what the exchange's checksum said of them: `matched`, `different`, or `unverified` without one."""
    gaps: int = 0
    ledger: Annotated[list[tuple[str, str, str, str, str, int]], Total.RESUMED] = []
    """Rows of the gap ledger: exchange, symbol, data type, kind, status and count."""
    first: Annotated[list[tuple[str, int, int]], Total.RESUMED] = []
    """Feed, line, and how many messages it brought before all other lines; only of feeds with several lines."""
    gap_rows: list[tuple[str, str, Gap]] = []
    """The newest rows of the gap ledger, each with exchange and symbol, oldest first; each is in several reports."""
    commit_failures: Count = 0
    to_receive: Annotated[list[tuple[str, int, int]], Total.ADDED] = []
    """From the exchange's time of a message to its receive time, a histogram: feed, index of the bucket and count.
    Index -1 holds the sum in microseconds."""
    to_durable: Annotated[list[tuple[str, int, int]], Total.ADDED] = []
    """From the receive time of a message to its durable row, as `to_receive`."""
    commits: Annotated[list[tuple[int, int]], Total.ADDED] = []
    """How long commits took, as `to_receive` without the feed."""
    clock_offsets_us: dict[str, int] = {}
    """By feed: the smallest receive time minus exchange time of the last minutes."""
    streams: list[StreamNumbers] = []
    journals: list[JournalLag] = []
    segments_removed: bool = False
    """Whether somebody has lately removed segments of the running recorder."""
    segments: SegmentsReport = SegmentsReport()


class ArchiverReport(Report, frozen=True, kw_only=True):
    """What the archiver reports."""

    archived: Count = 0
    """Segments the store has confirmed."""
    quarantined: Count = 0
    in_quarantine: int = 0
    """Segments that lie in `quarantine/` now."""
    uploaded_objects: Count = 0
    failed_uploads: Count = 0
    store_tries_failed: LabelCounts = []
    """By what the failure says of the store: away or refusing."""
    store_state: str = "there"
    store_away_secs: float = 0.0
    store_known: bool = False
    """Whether the process has had an answer of the store, or none in vain; it asks a bucket as it begins."""
    backlog_segments: int = 0
    backlog_objects: int = 0
    backlog_bytes: int = 0
    backlog_since_us: int | None = None
    """When the oldest segment of the backlog was sealed."""
    bytes_per_sec: int | None = None
    last_error: str | None = None
    """Why segments wait; None while nothing is wrong."""
    eta_secs: float | None = None
    """When the backlog will be archived at the present rate."""
    rows: Count = 0
    """Rows in confirmed objects."""
    bytes: Count = 0
    """Bytes of confirmed objects."""
    local_bytes: int = 0
    """Room of the copies in `local/`, which go before the disk is full."""


class ClockOffset(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's time minus the exchange's, as asked over REST, and how exact that is."""

    offset_us: int
    within_us: int


class RepairReport(Report, frozen=True, kw_only=True):
    """What repair reports."""

    waiting: dict[str, int] = {}
    """Requests that wait, by kind."""
    answers: LabelCounts = []
    """Requests that were answered, by kind."""
    requests_failed: Annotated[list[tuple[str, str, int]], Total.ADDED] = []
    """Kind, reason and count."""
    weight: dict[str, int] = {}
    """Request weight spent within the exchange's window, by budget."""
    clocks: dict[str, ClockOffset] = {}
    """By feed."""
    listed_us: dict[str, int] = {}
    """By feed that needs it: when the exchange gave its last whole list of instruments."""


class PublishReport(Report, frozen=True, kw_only=True):
    """What the publisher of a feed on an edge reports."""

    feed: str = ""
    is_connected: bool = False
    """Whether it has a connection to a NATS server now."""
    slices: Count = 0
    bytes: Count = 0
    """Journal bytes that were published and confirmed by the servers; what is published again counts again."""
    sent_bytes: Count = 0
    """The same as sent, compressed."""
    rewinds: Count = 0
    """How often it began again from where storage stands."""
    failures: Count = 0
    """Publications that were refused or not confirmed in time."""
    lag_bytes: int = 0
    """Journal bytes on this edge that storage does not have yet."""
    lag_secs: float = 0.0
    """Age of the oldest of them."""
    unpublished_bytes: int = 0
    """Those of them that the servers have not confirmed either."""
    journal_bytes: int = 0
    place_us: int | None = None
    """When storage last said how far it is."""
    last_error: str | None = None


class EdgeSource(msgspec.Struct, frozen=True, kw_only=True):
    """What a relay knows of its feed on one edge."""

    edge: str
    slot: int = 0
    received_us: int | None = None
    """Receive time of the newest record that came."""
    arrived_us: int | None = None
    """When the newest slice came."""
    pending: int = 0
    """Messages that wait in NATS."""
    pending_bytes: int = 0
    has_hole: bool = False
    """Whether a slice is missing before those that came since."""
    holes: int = 0
    """How often a slice of it was missing, since the relay began; `late` and `lost` as in the relay's own counts."""
    late: int = 0
    lost: int = 0


class RelayReport(Report, frozen=True, kw_only=True):
    """What the relay of a feed on the storage host reports."""

    feed: str = ""
    is_connected: bool = False
    slices: Count = 0
    bytes: Count = 0
    """Journal bytes that were appended."""
    copies: Count = 0
    """Slices that were there already."""
    holes: Count = 0
    """How often a slice was missing, and asked for again."""
    late: Count = 0
    """Slices that came long after another edge brought the same time."""
    lost: Count = 0
    """How often an edge no longer had what was missing."""
    refused: str = ""
    """Why slices of an edge are not taken; empty while all are."""
    sources: list[EdgeSource] = []
    journal: JournalReport = JournalReport()
    last_error: str | None = None


class HostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A host as it shows itself to the others."""

    host: str
    role: str
    run_id: str = ""
    version: str = ""
    healthy: bool = False
    reasons: list[tuple[str, str]] = []
    """Code and text of what is wrong."""
    lag_secs: float = 0.0
    """How far storage is behind with what it receives."""
    lag_bytes: int = 0
    seen_secs: float = 0.0
    """How long ago it was last seen, by the clock of whoever reports it."""
    is_alive: bool = True


class ClusterReport(Report, frozen=True, kw_only=True):
    """What a host knows of the others."""

    is_connected: bool = False
    """Whether it has a connection to a NATS server now."""
    has_quorum: bool = True
    """Whether the servers answered lately: without, nobody's symbols change."""
    hosts: list[HostSummary] = []
    members: list[str] = []
    """The edges that share the symbols now."""
    changes: Count = 0
    """How often members joined or left."""
    copies: int = 0
    """As all members go by; the largest of theirs if these differ, where 0, for all of them, is the largest."""
    share_number: int = 0
    """Which share of the symbols this edge was given last; 0 on the storage host and before the first one."""
    is_moving: bool = False
    """Whether symbols are recorded here until the edges that get them receive them."""
    uncovered: list[tuple[str, str]] = []
    """Feed and symbol of what fewer edges than `copies` receive now; the first hundred by name."""
    uncovered_count: int = 0
    overcovered: list[tuple[str, str]] = []
    """Feed and symbol of what more edges receive, as while one takes over from another; the first hundred by name."""
    overcovered_count: int = 0
    trouble: str = ""
    """Why symbols cannot be shared out as configured, as where edges differ in `share.copies`; empty if they can."""
    last_error: str | None = None


class TablerReport(Report, frozen=True, kw_only=True):
    """What commits the Iceberg tables reports."""

    commits: Count = 0
    segments: Count = 0
    """Segments that were committed."""
    files: Count = 0
    conflicts: Count = 0
    """Commits that another committer came before; they are tried again."""
    backlog_segments: int = 0
    commit_secs: float | None = None
    """How long the last commit took."""
    last_commit_us: int | None = None
    last_error: str | None = None


class SupervisorReport(Report, frozen=True, kw_only=True):
    """What the supervisor knows of itself; it stays within its process."""

    pings_sent: int = 0
    pings_failed: int = 0
