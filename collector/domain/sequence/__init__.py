"""What a stream's ids prove: one rule for each scheme exchanges number by, and the holes a rule finds."""
