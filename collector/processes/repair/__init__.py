"""What is missing is asked for over REST; the answers go to a journal."""
