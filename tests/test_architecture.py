"""The fences between the rooms."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

ROOT = Path(__file__).parent.parent
WEBAPP = ROOT / "webapp"


def imports(path: Path) -> set[str]:
    """Full names of everything a module imports, wherever in it."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((WEBAPP / folder).rglob("*.py"))]


def test_deck_knows_neither_flask_nor_rows() -> None:
    for path in modules("deck"):
        for name in imports(path):
            assert not name.startswith(("flask", "sqlalchemy", "webapp.models", "webapp.db")), f"{path}: {name}"


def test_the_twin_knows_nothing_of_ours() -> None:
    for path in modules("twin"):
        for name in imports(path):
            assert not name.startswith("webapp") or name.startswith("webapp.twin"), f"{path}: {name}"


def test_only_the_command_line_knows_the_twin() -> None:
    for path in modules("."):
        if path.relative_to(WEBAPP).parts[0] in ("twin", "cli.py"):
            continue
        for name in imports(path):
            assert not name.startswith("webapp.twin"), f"{path}: {name}"


def test_nothing_in_the_product_asks_whether_it_is_a_test_or_a_twin() -> None:
    for path in modules("."):
        if path.relative_to(WEBAPP).parts[0] in ("twin", "cli.py", "demo"):
            continue
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        attributes = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not {"twin", "testing", "TESTING", "sandbox"} & (names | attributes), path


def test_no_room_is_longer_than_a_room() -> None:
    for path in modules("."):
        lines = len(path.read_text().splitlines())
        assert lines <= 400, f"{path} has {lines} lines: split it by noun"


def test_no_test_can_reach_the_real_deck() -> None:
    with warnings.catch_warnings(action="ignore"), pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 443), timeout=1)


def test_starting_a_twin_loads_nothing_of_the_web_app() -> None:
    loads = (
        "import sys, webapp.cli, webapp.twin.server; print('sqlalchemy' in sys.modules, 'webapp.models' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loads], cwd=WEBAPP.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
