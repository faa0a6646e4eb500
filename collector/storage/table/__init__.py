"""Iceberg tables over an archive: one a data type, made of the manifests alone, so they can be made again at any time.

A table names the archive's own files, where they lie; nothing of the archive is changed. What is right for a table follows from
the archive: every object of its data type that a manifest names, but for pruned ones, once. `work.py` compares that with
what the table has and commits the difference. All that pyiceberg does stands in this folder.
"""
