"""The HTTP server, and who may ask it."""
