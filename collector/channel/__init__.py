"""Channels between processes: small notices that may be lost."""
