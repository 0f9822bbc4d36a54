"""From ratings to a score."""
