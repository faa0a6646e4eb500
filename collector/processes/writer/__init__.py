"""The writer: reads journals, decodes and deduplicates messages, and commits them to SQLite segments."""
