"""The tabler: what the archive's manifests name in, commits to Iceberg tables out. It removes nothing but tables' old metadata."""
