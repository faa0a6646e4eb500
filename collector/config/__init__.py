"""The configuration: read once at the start (`load.py`), validated as a whole, passed to every process as one frozen value.

This package itself holds the value alone, which is all that most processes need.
"""

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
    TableConfig,
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
    "TableConfig",
    "WriterConfig",
]
