"""The relay process: takes what the edges publish of one feed, and appends it to the storage host's journal."""
