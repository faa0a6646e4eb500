"""Sealed segments to Parquet to the store; a segment goes once the store has confirmed every object."""
