"""Append-only files of received frames: format, writer, reader."""
