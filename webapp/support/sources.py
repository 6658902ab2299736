"""How sources fare: the table, and one source in detail."""
