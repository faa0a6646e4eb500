"""Everything kept in files: journal, SQLite segments, Parquet sets, the archive, and the stores it may live in."""
