"""Failures in the dashboard: in its own frame and with a way back for staff, the usual page for everybody else."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import g, render_template, request

from ..errors import FRAMES, new_reference
from .door import safe_path
from .gate import cookie, half_session
from .pages import api, bp, surroundings

WORDS = {
    400: ("We could not read that", "The address or the form is not one of ours. Go back, and try it once more."),
    403: ("That came from somewhere else", "The dashboard only takes forms from its own pages."),
    404: ("There is nothing here", "It was deleted when its time was over, or the address was never one of ours."),
    405: ("There is nothing here", "It was deleted when its time was over, or the address was never one of ours."),
    410: ("This link has been used or has run out", "Ask whoever sent it for a new one."),
    413: ("That is too much at once", "Send less, and try again."),
    429: ("Too many tries for now", "Wait a few minutes, then try again."),
    503: ("The database is busy for a moment", "Nothing was changed. Try again in a minute."),
}
OTHERWISE = ("Something went wrong on our side", "Try again, and give your engineers the reference if it goes on.")


def framed(code: int, reference: str) -> str | None:
    """The error page for staff who are signed in, None for everybody else and everywhere else."""
    is_here = request.path == bp.url_prefix or request.path.startswith(f"{bp.url_prefix}/")
    if not is_here or request.path.startswith(f"{api.url_prefix}/") or cookie() not in request.cookies:
        return None
    found = g.get("staff_session") if code == 503 else half_session()  # a database that is busy is not asked again
    if found is None or not found.is_whole:
        return None
    title, advice = WORDS.get(code, OTHERWISE)
    back = safe_path(urlsplit(request.referrer or "").path)
    return render_template(
        "support/failed.html",
        **surroundings(),
        title=title,
        advice=advice,
        reference=reference or new_reference(),
        back_href=back if back != request.path else "",
    )


FRAMES.append(framed)
