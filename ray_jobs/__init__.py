"""What runs on Ray, and the loop that starts it."""
