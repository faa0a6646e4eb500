"""From a sealed segment to a set of Parquet files."""
