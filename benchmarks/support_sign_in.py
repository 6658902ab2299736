"""Signing in to support takes as long for somebody unknown, locked or disabled as for a wrong password."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path
from statistics import median

import httpx
from flask import Flask
from flask_migrate import upgrade

from benchmarks.figures import Figure
from benchmarks.million import settings
from webapp import create_app
from webapp.db import db, now, writing
from webapp.models import Staff
from webapp.models.person import hash_password
from webapp.support.tries import STOP_AT

SAMPLES = 200
APART = 5
"""Percent that a median may be away from a wrong password's."""


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
        address = f"sqlite:///{Path(folder) / 'staff.sqlite3'}"
        app = create_app(dataclasses.replace(settings(Path()), database_url=address))
        with app.app_context():
            upgrade()
            hire()
        app.extensions["gangway"].limits.allows = lambda *who: True
        times = sample(app)
        with app.app_context():
            db.engine.dispose()
    wrong = times.pop("wrong")
    yield Figure("staff sign-in: a wrong password, median", wrong, inf, "ms")
    for who, took in times.items():
        yield Figure(f"staff sign-in: {who}, median away from that", 100 * abs(took - wrong) / wrong, APART, "%")


def hire() -> None:
    """Somebody for every wrong password, so that nobody has to wait; and two whom no password lets in."""
    hashed = hash_password("seven quiet harbours")
    with writing():
        for n in range(SAMPLES):
            db.session.add(Staff(email=f"wrong{n}@desk.example", role="agent", password_hash=hashed))
        locked = Staff(email="locked@desk.example", role="agent", password_hash=hashed, failures=STOP_AT)
        locked.failed_at = now()
        gone = Staff(email="disabled@desk.example", role="agent", password_hash=hashed, disabled_at=now())
        db.session.add_all([locked, gone])
    db.session.remove()


def sample(app: Flask) -> dict[str, float]:
    """Medians in milliseconds. One of each in turn, so that a busy machine is as busy for all of them."""
    browser = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost")
    times: dict[str, list[float]] = {"wrong": [], "unknown": [], "locked": [], "disabled": []}
    for n in range(SAMPLES):
        for who, took in times.items():
            email = f"{who}{n if who == 'wrong' else ''}@desk.example"
            form = {"email": email, "password": "not the right one"}
            begun = time.perf_counter()
            answer = browser.post("/support/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})
            took.append(1000 * (time.perf_counter() - begun))
            assert answer.status_code == 401, (who, answer.status_code)
    return {who: median(took) for who, took in times.items()}
