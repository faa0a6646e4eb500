"""What is proven of each day of each stream, written down so that others can check it, and shown as a heatmap."""
