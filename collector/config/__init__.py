"""The configuration: read once at the start, validated as a whole, passed to every process as one frozen value."""

from collector.config.environment import environment_warnings
from collector.config.load import load
from collector.config.model import (
    ArchiveConfig,
    BookConfig,
    ChannelConfig,
    Config,
    FeedConfig,
    HttpConfig,
    IngestConfig,
    JournalConfig,
    LogConfig,
    RepairConfig,
    SegmentConfig,
    SupervisorConfig,
    WriterConfig,
)

__all__ = [
    "ArchiveConfig",
    "BookConfig",
    "ChannelConfig",
    "Config",
    "FeedConfig",
    "HttpConfig",
    "IngestConfig",
    "JournalConfig",
    "LogConfig",
    "RepairConfig",
    "SegmentConfig",
    "SupervisorConfig",
    "WriterConfig",
    "environment_warnings",
    "load",
]
