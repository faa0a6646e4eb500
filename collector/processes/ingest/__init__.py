"""The ingest process: reads one feed's WebSockets and appends every frame to its journal."""
