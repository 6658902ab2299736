"""What a test tells the twin to do wrong, in a word: faults of calls and rules for deliveries."""

from __future__ import annotations

import json
from typing import Any

from .planes import Control, Deck, Receiver

ERROR = {"type": "error", "status": 500}


def arm(control: Control, effect: Any = None, **fault: Any) -> Any:
    return control.post("/faults", **({"effect": effect} if effect else {}), **fault)


def statuses(deck: Deck, number: int) -> list[int]:
    return [deck.call("GET", "/agents").status_code for _ in range(number)]


def agents(deck: Deck, *names: str) -> None:
    for name in names:
        deck.post("/agents", {"name": name})


def rule(control: Control, type: str, /, *, match: Any = None, count: int | None = None, **action: Any) -> Any:
    body = {"match": match or {}, "action": {"type": type, **action}}
    return control.post("/delivery-rules", **body, **({"count": count} if count else {}))


def names(receiver: Receiver) -> list[str]:
    return [json.loads(body)["data"]["name"] for _, _, body in receiver.posts]


def rows(control: Control, status: str) -> list[Any]:
    return list(control.get("/deliveries", status=status)["data"])
