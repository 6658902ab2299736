"""The API's sources: what a host's people can connect, and whether it works now."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask.typing import ResponseReturnValue

from ..models import Source
from ..search import find_sources
from .door import PAGE, bp, no_such, told


@bp.get("/sources")
def list_sources() -> ResponseReturnValue:
    """Those of the host, popular first; `q` finds as people search, `after` goes on where the last page ended."""
    found = find_sources(request.args.get("q", ""), Source.all_offered(g.host.sources))
    if after := request.args.get("after"):
        ids = [source.slug for source in found]
        if after not in ids:
            raise no_such("source")
        found = found[ids.index(after) + 1 :]
    return told({"data": [source_view(source) for source in found[:PAGE]], "has_more": len(found) > PAGE})


def source_view(source: Source) -> dict[str, Any]:
    return {
        "source_id": source.slug,
        "name": source.name,
        "domain": source.host,
        "status": "stopped" if source.is_stopped else source.health,
    }
