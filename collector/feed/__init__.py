"""Connections to exchanges: WebSocket and REST, and the limits that they observe."""
