"""Our names for things in the API for hosts: what it is, and our reference."""

from __future__ import annotations


def public_id(kind: str, ref: str) -> str:
    """Such as ``conn_kR3vQ0sZp1xw8A2c``."""
    return f"{kind}_{ref}"


def ref_in(kind: str, id: str) -> str:
    """The reference inside an id of this *kind*; "" for anything else, which nothing is called."""
    before, _, ref = id.partition("_")
    return ref if before == kind and len(ref) == 16 else ""
