"""What a stream's ids prove: duplicates, holes, and restarts of the ids."""
