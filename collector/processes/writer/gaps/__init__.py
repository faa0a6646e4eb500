"""The gap ledger: what is missing, as far as the writer knows."""
