"""What takes an app long to make and remembers nothing: made once for all apps of a process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule


def share_addresses(patch: pytest.MonkeyPatch) -> None:
    """Werkzeug makes a function of every address of an app."""
    made: dict[object, Callable[..., tuple[str, str]]] = {}
    compile_builder = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (rule.rule, tuple(rule._trace), str(rule.defaults), append_unknown)
        if key not in made:
            made[key] = compile_builder(rule, append_unknown)
        return made[key]

    patch.setattr(Rule, "_compile_builder", once)


def share_statements(patch: pytest.MonkeyPatch) -> None:
    """Every app has an engine of its own, with a cache of its own for the SQL it has written."""
    compiled = LRUCache[object, object](5_000)
    patch.setattr(Engine, "_compiled_cache", property(lambda engine: compiled, lambda engine, own: None), raising=False)
    # A statement is kept by its dialect: two engines for the same kind of database write the same SQL.
    patch.setattr(DefaultDialect, "__eq__", lambda one, other: type(one) is type(other))
    patch.setattr(DefaultDialect, "__hash__", lambda dialect: hash(type(dialect)))
