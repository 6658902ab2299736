"""The connection page: whose it is, where it stands, what happened, live."""
