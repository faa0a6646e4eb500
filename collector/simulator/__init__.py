"""An exchange on loopback: seeded markets or a recording, over WebSocket and REST, with faults on request."""
