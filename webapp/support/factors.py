"""The second factor: time-based codes, each good once, and recovery codes."""
