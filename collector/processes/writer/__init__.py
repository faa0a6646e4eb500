"""Journals to SQLite segments: decoded, merged, judged, committed."""
