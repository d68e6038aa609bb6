"""What the federation publishes: made from released numbers alone, never from a person's row."""
