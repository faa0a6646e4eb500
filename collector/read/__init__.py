"""Reads the archive: books rebuilt and checked, the gap ledger, its incidents and its summary."""
