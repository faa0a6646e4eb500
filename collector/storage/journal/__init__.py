"""Append-only files of what was received: format, writer, reader."""
