"""Runs: the list, and one run stage by stage."""
