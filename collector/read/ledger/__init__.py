"""The gap ledger as a reader needs it: its rows, what of it is in whose way, incidents and summaries."""
