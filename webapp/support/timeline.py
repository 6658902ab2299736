"""Everything that happened to a connection, from every side, in one order."""
