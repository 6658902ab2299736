"""What staff do on the page of an act, and what is there afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from flask import Flask

from tests.people import Visitor, said
from webapp.db import db
from webapp.support.acts import ACTS

Later = Callable[..., None]
OnRecord = Callable[[], list[tuple[str, str, str]]]
WHY = "Ticket 4711: they called"
HERE = "here"
ROOT = Path(__file__).parents[2]


def only(app: Flask, model: Any) -> Any:
    with app.app_context():
        return db.session.scalars(db.select(model).order_by(model.id.desc()).limit(1)).one()


def ref_of(app: Flask, model: Any) -> str:
    return str(only(app, model).ref)


def does(staff: Visitor, act: str, ref: str, why: str = WHY, **fields: str) -> httpx.Response:
    """Open the act's page, say why, press its button."""
    staff.opens(f"/support/act/{act}/{ref}")
    return staff.presses(ACTS[act].button, reason=why, **fields)


def notice(staff: Visitor) -> str:
    return " ".join(said(div) for div in staff.tree.iter("div") if div.get("role") in ("status", "alert"))


def shown(staff: Visitor) -> str:
    return next(str(i.get("value")) for i in staff.tree.iter("input") if i.get("id") == "shown")


def does_not(staff: Visitor, act: str, ref: str, **fields: str) -> str:
    """Post the form though the page has none: what it says instead."""
    answer = staff.posts(f"/support/act/{act}/{ref}", {"once": "by hand", "reason": WHY, **fields})
    assert answer.status_code == 409
    return notice(staff)
