"""The companies whose people connect accounts here."""
