"""What a candidate is measured on, and the gate that reads it. Scorers come in as arguments."""
