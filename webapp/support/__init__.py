"""The support dashboard: staff find what somebody calls about, see whose turn it is, and act, on record.

`bp` are the pages at /support; `api` their JSON twins at /support/api, for programs with a staff token.
"""

from . import (  # noqa: F401 - importing a room hangs its pages on the blueprints
    acting,
    audit,
    charts,
    connections,
    deliveries,
    door,
    failures,
    funnel,
    hosts,
    inbox,
    issues,
    mine,
    now,
    people,
    proving,
    runs,
    search,
    sources,
    sso,
    team,
    views,
    welcome,
)
from .pages import api, bp

__all__ = ["api", "bp"]
