"""Floor 1: files. The journal, SQLite segments, Parquet, and the stores an archive may live in."""
