"""Kinds of failures: counted, owned, muted, resolved, and open again when they come back."""
