"""Counting runs by source and hour, so that no page counts a million rows: the chore `figures`."""
