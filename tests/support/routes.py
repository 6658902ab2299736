"""The dashboard's pages, read from its routes, so that a new one is in every test at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from webapp.support.lists import LISTINGS

PLACES = {
    "ref": "kR3vQ0sZp1xw8A2c",
    "id": "2147483647",
    "slug": "no-such-source",
    "act": "run_again",
    "page": "inbox",
    "token": "no-such-token",
    "name": "nothing",
}
"""What a route's placeholders stand for here: things that are not there."""
STREAMS = ("live",)


def routes(app: Flask, blueprint: str = "support", method: str = "GET") -> Iterator[tuple[Rule, str, str]]:
    """Rule, path and the role it needs."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] == blueprint and method in (rule.methods or ()):
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: PLACES.get(found[1], "x"), rule.rule)
            view: Any = app.view_functions[rule.endpoint]
            yield rule, path, getattr(view, "needs", "")


def lists_of(app: Flask) -> list[str]:
    return [name for name in LISTINGS if f"support.{name}_csv" in app.view_functions]


def is_stream(rule: Rule) -> bool:
    return rule.rule.endswith(STREAMS)
