"""Books: rebuilt from their rows, followed in the fastest form that is installed, and checked against best prices."""
