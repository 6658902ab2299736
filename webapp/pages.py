"""What every template may use: who we are, and moments in words."""

from __future__ import annotations

import hashlib
from datetime import datetime

from babel.dates import format_datetime
from flask import Flask

from .current import config
from .db import cannot_write
from .forms import lower_first

TINTS = 8
STYLES = {"time": "HH:mm 'UTC'", "exact": "d MMM, HH:mm:ss 'UTC'"}

STATUS_WORDS = {
    "new": "Starting",
    "unverified": "Not finished",
    "verified": "Connected",
    "invalid": "Needs your sign-in",
    "deleting": "Disconnecting",
    "deleted": "Disconnected",
}

RUN_WORDS = {
    "new": "Starting",
    "queued": "In line",
    "running": "Reading",
    "interaction_required": "Waiting for you",
    "review_required": "Being checked",
    "cancelling": "Stopping",
    "canceled": "Stopped",
    "completed": "Done",
    "failed": "Did not work",
}


def init_app(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(when=when, tint=tint, size=size, lower_first=lower_first)
    app.jinja_env.globals.update(status_words=STATUS_WORDS, run_words=RUN_WORDS)
    app.context_processor(on_every_page)


def on_every_page() -> dict[str, object]:
    return {"operator": config().operator_name, "help_url": config().help_url, "cannot_save": cannot_write()}


def when(moment: datetime, style: str = "") -> str:
    """A moment in UTC, with its zone named; only the hour with the style `time`, to the second with `exact`."""
    return format_datetime(moment, STYLES.get(style, "d MMM yyyy, HH:mm 'UTC'"), locale="en")


def tint(name: str) -> int:
    """One of a few colours, always the same for a name."""
    return hashlib.sha256(name.encode()).digest()[0] % TINTS


def size(count: int) -> str:
    """Bytes in words."""
    if count < 1_000:
        return f"{count} bytes"
    shown, unit = (count / 1_000, "kB") if count < 1_000_000 else (count / 1_000_000, "MB")
    return f"{shown:.0f} {unit}" if shown >= 10 else f"{shown:.1f} {unit}"
