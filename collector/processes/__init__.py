"""What each process does, given its channels, stores, clock and stop flag as arguments."""
