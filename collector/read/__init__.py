"""Floor 3: what a reader of the archive needs."""
