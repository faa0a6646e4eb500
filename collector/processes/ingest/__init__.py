"""Exchange sockets to journal files."""
