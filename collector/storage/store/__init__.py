"""The stores that an archive may live in: their contract, a folder, S3."""
