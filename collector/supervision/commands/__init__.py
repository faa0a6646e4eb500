"""The commands that start a recorder."""
