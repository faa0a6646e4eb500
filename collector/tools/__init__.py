"""Floor 5: what the commands in scripts/ print."""
