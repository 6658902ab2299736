"""How far visits come, screen by screen."""
