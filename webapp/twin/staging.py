"""Sets up a twin before it is served, by calls of its own control plane."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .client import Twin, TwinError
from .scenarios import personas


class CannotStage(Exception):
    """What was asked for is not to be had; its text says why, in one line."""


def seed_from(twin: Twin, path: Path) -> None:
    """Put the objects of a file in place: what it holds is a body of `POST /__admin__/seed`."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStage(f"{path} cannot be read") from error
    except ValueError as error:
        raise CannotStage(f"{path} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise CannotStage(f'{path} is not a JSON object such as {{"objects": {{"agents": [...]}}}}')
    try:
        twin.call("POST", "/seed", body)
    except TwinError as error:
        raise CannotStage(f"{path}: {said(error)}") from error


def apply_scenarios(twin: Twin, names: Iterable[str]) -> None:
    for name in names:
        try:
            twin.scenario(name)
        except TwinError as error:
            raise CannotStage(said(error)) from error


def bind_personas(twin: Twin) -> dict[str, str]:
    """Bind each scenario to a username of its own; what each username shows."""
    shown = personas()
    for username in shown:
        twin.scenario(username.removesuffix("@twin"), username=username)
    return shown


def said(error: TwinError) -> str:
    """The control plane's own words, without its codes."""
    return f"{error.message} ({error.hint})" if error.hint else error.message
