"""Now: what happens this moment, and what is in trouble."""
