"""What hosts send each other through NATS: slices of journals, and small facts about each host."""
