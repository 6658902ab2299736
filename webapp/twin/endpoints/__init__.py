"""What each endpoint does: one function a row of the endpoint table."""

from . import credentials, definitions, events, runs, sessions, tokens

__all__ = ["credentials", "definitions", "events", "runs", "sessions", "tokens"]
