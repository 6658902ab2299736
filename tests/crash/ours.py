"""Which functions of ours write to the database or call Deck: read from the source, so that none is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import webapp

ROOT = Path(webapp.__file__).parent
NOT_SERVED = ("twin", "demo", "cli", "keys", "ops", "sync")
"""The local Deck, the demo and the commands people type: nothing that must go on by itself."""


def writers_and_callers() -> set[str]:
    """Such as ``intents.running._start``: the innermost functions with `writing()` or `deck()` in them."""
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if not module.startswith(NOT_SERVED):
            found |= {f"{module}.{name}" for name in _in(ast.parse(path.read_text()))}
    return found


def _in(node: ast.AST, function: str = "") -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield from _in(child, child.name)
        else:
            if isinstance(child, ast.Call) and getattr(child.func, "id", "") in ("writing", "deck"):
                yield function
            yield from _in(child, function)
