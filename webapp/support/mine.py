"""My own page: browsers I am signed in at, tokens for programs, new recovery codes."""
