"""One SQLite file: open, sealed, and the seal between."""
