"""All rooms of the API for hosts, behind one door."""

from . import connections, news, sessions, sources
from .door import bp

__all__ = ["bp", "connections", "news", "sessions", "sources"]
