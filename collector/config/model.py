"""Every configuration key with its default and bounds. docs/CONFIGURATION.md says what each key does.

Bounds are checked where a configuration is read (`validation.py`), not where one is made. Keep imports light: every child
process imports this module.
"""

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from collector.config.addresses import (
    TABLES_SUFFIX,
    ArchiveUrl,
    CatalogUrl,
    Host,
    HttpUrl,
    NatsUrl,
    PingUrl,
    Region,
    WsUrl,
    beside,
    daily_of,
)
from collector.config.rules import After, Allowed, Earlier
from collector.config.s3 import Addressing, Encryption, KmsKey, StorageClass, Tags, tags_of
from collector.config.values import (
    GIB,
    KIB,
    MIB,
    DataTypes,
    DayPart,
    Exclusions,
    FileOrNone,
    Folder,
    HostName,
    Name,
    Namespace,
    Secret,
    Secs,
    SecsFromOne,
    SecsOrNever,
    Share,
    Size,
    Symbols,
    Token,
    at_least,
    between,
    distinct,
    leaves_the_named,
    machine_name,
    not_below,
    some,
)
from collector.domain.records import StreamKey
from collector.domain.silence import Bounds
from collector.domain.symbol_choice import Wanted

UNLEARNED_FACTOR = 10
"""Silence limit of a stream whose rhythm is not learned yet, as a multiple of `silence.min_secs`."""


class Section(Struct, frozen=True, kw_only=True):
    """A table of the configuration."""


class FeedConfig(Section, frozen=True, kw_only=True):
    """What one ingest process records: every data type in `data_types` of every symbol that `symbols` stands for."""

    exchange: Annotated[str, Allowed("the name of a known exchange")] = "binance"
    symbols: Symbols = ("BTCUSDT",)
    exclude: Annotated[Exclusions, After(leaves_the_named)] = ()
    data_types: DataTypes = ("book_snapshot", "book_delta", "trade")
    ws_url: WsUrl = ""
    rest_url: HttpUrl = ""
    lines: Annotated[int, between(1, 16)] = 1
    name: Name = ""

    def __post_init__(self) -> None:
        """Name it after the exchange if it has no name."""
        force_setattr(self, "name", self.name or self.exchange)

    @property
    def wanted(self) -> Wanted:
        """Which symbols it records; `Wanted.needs_list` tells whether they follow from the configuration alone."""
        return Wanted(self.symbols, self.exclude)

    def streams(self, symbols: Iterable[str]) -> list[StreamKey]:
        """Every stream of these symbols."""
        return [StreamKey(self.exchange, symbol, data_type) for symbol in symbols for data_type in self.data_types]

    def may_bring(self, key: StreamKey) -> bool:
        """Whether the stream is one that this feed records, or would record if the exchange listed its symbol."""
        return key.exchange == self.exchange and key.data_type in self.data_types and self.wanted.may_bring(key.symbol)


class IngestConfig(Section, frozen=True, kw_only=True):
    """When a feed reconnects, and how often it looks for new symbols."""

    reconnect_base_delay_secs: Secs = 5.0
    reconnect_max_delay_secs: Annotated[Secs, not_below("reconnect_base_delay_secs")] = 300.0
    stale_timeout_secs: Secs = 30.0
    first_data_timeout_secs: Secs = 60.0
    symbols_refresh_secs: SecsFromOne = 300.0


class ChannelConfig(Section, frozen=True, kw_only=True):
    """The Queues between the processes."""

    capacity: Annotated[int, between(1, 256, " (notices, not messages: a full queue must fit into a 64 KiB pipe)")] = (
        256
    )


class JournalConfig(Section, frozen=True, kw_only=True):
    """The journal: frames that a feed has read and the writer has not stored yet."""

    file_bytes: Annotated[Size, at_least(KIB)] = 64 * MIB
    max_bytes: Annotated[Size, at_least(2 * KIB), not_below("file_bytes", times=2)] = 20 * GIB
    fsync_interval_secs: Secs = 1.0
    min_free_bytes: Annotated[Size, at_least(0)] = GIB


class RepairConfig(Section, frozen=True, kw_only=True):
    """Fetching missing data from the exchanges' REST interfaces."""

    enabled: bool = True
    weight_share: Share = 0.5


class BookConfig(Section, frozen=True, kw_only=True):
    """How often whole books are stored."""

    checkpoint_interval_secs: SecsOrNever = 3600.0
    verify_checksums: bool = True


class WriterConfig(Section, frozen=True, kw_only=True):
    """When rows are committed."""

    batch_interval_secs: Secs = 5.0
    max_batch_size: Annotated[int, between(1, 1_000_000)] = 10_000
    adaptive: bool = True


class SilenceConfig(Section, frozen=True, kw_only=True):
    """How long a stream may be silent before the gap ledger has a row of it."""

    min_secs: Secs = 30.0
    max_secs: Annotated[Secs, not_below("min_secs")] = 14_400.0

    @property
    def bounds(self) -> Bounds:
        """The silence limit before a rhythm is learned, its minimum and its maximum."""
        return Bounds(min(UNLEARNED_FACTOR * self.min_secs, self.max_secs), self.min_secs, self.max_secs)


class SegmentConfig(Section, frozen=True, kw_only=True):
    """When a segment is sealed, after which it is archived."""

    interval_secs: DayPart = 3600.0
    max_bytes: Annotated[Size, at_least(MIB)] = 256 * MIB


class ArchiveConfig(Section, frozen=True, kw_only=True):
    """Where Parquet files are stored and how they are written."""

    url: ArchiveUrl = ""
    daily_url: ArchiveUrl = ""
    region: Region = ""
    endpoint_url: HttpUrl = ""
    addressing: Addressing = "auto"
    create_bucket: bool = False
    sse: Encryption = ""
    sse_kms_key_id: KmsKey = ""
    storage_class: StorageClass = ""
    tags: Tags = ""
    keep_raw: bool = False
    compression_level: Annotated[int, between(1, 22)] = 3
    retry_base_delay_secs: Secs = 1.0
    retry_max_delay_secs: Annotated[Secs, not_below("retry_base_delay_secs")] = 300.0
    concurrency: Annotated[int, between(1, 32)] = 4
    upload_on_stop: bool = False
    local_days: Annotated[int, between(0, 3650)] = 0

    @property
    def tag_pairs(self) -> dict[str, str]:
        """`tags` as a dictionary."""
        return tags_of(self.tags)


class SupervisorConfig(Section, frozen=True, kw_only=True):
    """Time limits for stopping and restarting child processes."""

    stop_timeout_secs: Secs = 30.0
    hang_timeout_secs: Secs = 60.0
    restart_base_delay_secs: Secs = 1.0
    restart_max_delay_secs: Annotated[Secs, not_below("restart_base_delay_secs")] = 60.0
    handover_min_secs: Secs = 60.0


class HttpConfig(Section, frozen=True, kw_only=True):
    """The HTTP server for the page, metrics, health and status; port 0 turns it off."""

    host: Host = "127.0.0.1"
    port: Annotated[int, between(0, 65_535)] = 9464
    token: Token = Secret("")
    ping_url: PingUrl = Secret("")


class LogConfig(Section, frozen=True, kw_only=True):
    """Format and level of the log."""

    format: Literal["json", "text"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class NatsConfig(Section, frozen=True, kw_only=True):
    """The NATS servers between edges and storage."""

    urls: Annotated[
        tuple[NatsUrl, ...],
        Allowed("a list of addresses of the servers of one cluster, without duplicates"),
        After(distinct),
    ] = ()
    credentials_file: FileOrNone = ""
    tls_ca_file: FileOrNone = ""
    tls_certificate_file: FileOrNone = ""
    tls_key_file: FileOrNone = ""
    replicas: Annotated[int, between(1, 5)] = 3
    stream_max_bytes: Annotated[Size, at_least(MIB)] = 20 * GIB


class EdgeConfig(Section, frozen=True, kw_only=True):
    """How an edge publishes what it receives."""

    slice_bytes: Annotated[Size, at_least(KIB)] = MIB
    linger_secs: Secs = 0.2
    in_flight_bytes: Annotated[Size, at_least(KIB), not_below("slice_bytes")] = 16 * MIB
    rewind_secs: Secs = 4.0


class RelayConfig(Section, frozen=True, kw_only=True):
    """How the storage host takes what edges publish."""

    position_interval_secs: Secs = 1.0


class ShareConfig(Section, frozen=True, kw_only=True):
    """How the symbols of the feeds are shared out over the edges."""

    copies: Annotated[int, between(0, 8)] = 0
    heartbeat_secs: Secs = 1.0
    dead_secs: Annotated[Secs, not_below("heartbeat_secs", times=2)] = 3.0


class TableConfig(Section, frozen=True, kw_only=True):
    """The Iceberg tables over the archive."""

    catalog: CatalogUrl = ""
    warehouse: ArchiveUrl = ""
    namespace: Namespace = "market_data"
    snapshot_days: Annotated[int, between(1, 3650)] = 1


def _has_servers(role: str, earlier: Earlier) -> str:
    nats = earlier.data.get("nats")
    if role != "all" and nats is not None and not nats.urls:
        raise ValueError("needs nats.urls")
    return role


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, as passed to every process: frozen and picklable. Secrets print as asterisks."""

    data_dir: Folder = Path("data")
    host_name: HostName = ""
    nats: NatsConfig = NatsConfig()
    role: Annotated[Literal["all", "edge", "storage"], After(_has_servers)] = "all"
    feed: Annotated[
        tuple[FeedConfig, ...],
        Allowed("a list of one or more [[feed]] tables"),
        After(some),
    ] = (FeedConfig(),)
    ingest: IngestConfig = IngestConfig()
    channel: ChannelConfig = ChannelConfig()
    journal: JournalConfig = JournalConfig()
    repair: RepairConfig = RepairConfig()
    book: BookConfig = BookConfig()
    writer: WriterConfig = WriterConfig()
    silence: SilenceConfig = SilenceConfig()
    segment: SegmentConfig = SegmentConfig()
    archive: ArchiveConfig = ArchiveConfig()
    supervisor: SupervisorConfig = SupervisorConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()
    edge: EdgeConfig = EdgeConfig()
    relay: RelayConfig = RelayConfig()
    share: ShareConfig = ShareConfig()
    table: TableConfig = TableConfig()

    def __post_init__(self) -> None:
        """Name the host after the machine if it has no name, and the folder in full."""
        force_setattr(self, "host_name", self.host_name or machine_name(socket.gethostname()))
        force_setattr(self, "data_dir", self.data_dir.absolute())

    @property
    def secrets(self) -> list[str]:
        """The secret values, for redaction."""
        return [self.http.token.value, self.http.ping_url.value]

    @property
    def receives(self) -> bool:
        """Whether a host of this role receives from exchanges."""
        return self.role != "storage"

    @property
    def stores(self) -> bool:
        """Whether a host of this role stores and archives rows; an edge leaves that to the storage host."""
        return self.role != "edge"

    @property
    def archive_url(self) -> str:
        """The archive's URL: `file:///folder` or `s3://bucket[/prefix]`."""
        return self.archive.url or (self.data_dir / "archive").as_uri()

    @property
    def daily_url(self) -> str:
        """The URL of the tree of day files; empty for a whole bucket whose tree of day files is not named."""
        return self.archive.daily_url or daily_of(self.archive_url)

    @property
    def tables_url(self) -> str:
        """The URL below which the tables are; empty if the catalog decides, or if an archive that is a whole bucket has none named."""
        beside_archive = beside(self.archive_url, TABLES_SUFFIX) if self.table.catalog.startswith("sqlite:") else ""
        return self.table.warehouse or beside_archive
