"""The archiver: sealed segments in, Parquet objects in a store out.

A segment is removed in three places, and never before its rows are safe elsewhere:

1. `finished_sets.py`: the store has confirmed every object and the manifest.
2. `segment_worker.py`, before staging: `stager.find_archived` shows that the store holds the segment whole, with as many
   rows.
3. `segment_replacement.py`, while the store is away or refuses one of the set's files: the set was forced to disk, read
   back and compared with the segment, and stays until the store has confirmed it.
"""
