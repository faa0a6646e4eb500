"""The HTTP server: bounded, read-only, with an access token."""
