"""The support dashboard: staff find what somebody calls about, see whose turn it is, and act, on record.

`bp` are the pages at /support; `api` their JSON twins at /support/api, for programs with a staff token.
"""

from . import (
    acting,
    audit,
    charts,
    connections,
    deliveries,
    door,
    funnel,
    hosts,
    inbox,
    issues,
    mine,
    now,
    people,
    runs,
    search,
    sources,
    sso,
    team,
    views,
    welcome,
)
from .pages import api, bp

ROOMS = (
    acting,
    audit,
    charts,
    connections,
    deliveries,
    door,
    funnel,
    hosts,
    inbox,
    issues,
    mine,
    now,
    people,
    runs,
    search,
    sources,
    sso,
    team,
    views,
    welcome,
)
"""Importing a room hangs its pages on the blueprints."""

__all__ = ["ROOMS", "api", "bp"]
