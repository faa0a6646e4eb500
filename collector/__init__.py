"""A self-hosted recorder of crypto market data."""

__version__ = "0.1.0"
