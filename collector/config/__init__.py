"""The configuration: read once, checked whole, handed down as one frozen value."""

from collector.config.load import load
from collector.config.model import (
    ArchiveConfig,
    ChannelConfig,
    Config,
    FeedConfig,
    HttpConfig,
    IngestConfig,
    JournalConfig,
    LogConfig,
    SegmentConfig,
    SupervisorConfig,
    WriterConfig,
)

__all__ = [
    "ArchiveConfig",
    "ChannelConfig",
    "Config",
    "FeedConfig",
    "HttpConfig",
    "IngestConfig",
    "JournalConfig",
    "LogConfig",
    "SegmentConfig",
    "SupervisorConfig",
    "WriterConfig",
    "load",
]
