"""Turns a sealed segment into a set of Parquet files."""
