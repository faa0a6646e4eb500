"""What the writer notes of what is missing: the gap ledger."""
