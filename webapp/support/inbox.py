"""What Deck sent us: the inbox and what was parked."""
