"""How the recorder is, for people, Prometheus and health checks. Imports no process."""
