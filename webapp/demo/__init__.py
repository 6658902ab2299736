"""The demo: fictional websites, fictional people, and everything served in one process."""
