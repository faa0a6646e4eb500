"""Floor 4: how the recorder is, for people, Prometheus and health checks. Imports no process."""
