"""`gangway staff` and `gangway audit`."""
