"""Where objects go: the contract, a folder, S3."""
