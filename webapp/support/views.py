"""Saved views: a list with its filters under a name."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, and_, func, or_, select, true

from ..db import db, writing
from ..deck.reading import one_line
from ..models import SavedView
from .acts import YES
from .gate import me, record, refuse
from .lists import LISTINGS, PAGE, Listing, filters_in
from .pages import post

LONGEST_NAME = 60
LONGEST_QUERY = 500


@post("/views/<page>", needs_role="viewer")
def save_view(page: str) -> ResponseReturnValue:
    """Keep the list as it is narrowed now. The same name again is the same view with other filters."""
    it = LISTINGS.get(page) or abort(404)
    if not me().may(it.needs_role):
        return refuse(it.needs_role)
    name, filters = one_line(request.form.get("view_name"), longest=LONGEST_NAME + 1), filters_in(it, request.form)
    query = urlencode(filters)
    if not 1 <= len(name) <= LONGEST_NAME or not filters or len(query) > LONGEST_QUERY or not offered(it, filters):
        abort(400)
    is_shared = request.form.get("view_shared") == YES
    if is_shared and not me().may("lead"):
        return refuse("lead")
    with writing():
        mine = me().id
        view = db.session.scalar(select(SavedView).filter_by(staff_id=mine, page=page, name=name))
        if view is None:
            count = db.session.scalar(select(func.count(SavedView.id)).filter_by(staff_id=mine, page=page)) or 0
            if count >= PAGE:
                abort(409)
            view = SavedView(staff_id=mine, page=page, name=name)
            db.session.add(view)
        view.query, view.is_shared = query, is_shared
        record("view.save", page, details={"name": name, "filters": sorted(filters), "is_shared": is_shared})
    return redirect(f"{url_for(f'support.{page}')}?{query}", 303)


@post("/views/<page>/<ref>/delete", needs_role="viewer")
def delete_view(page: str, ref: str) -> ResponseReturnValue:
    """One's own; a lead also takes away what everybody sees."""
    it = LISTINGS.get(page) or abort(404)
    if not me().may(it.needs_role):
        return refuse(it.needs_role)
    with writing():
        view = db.session.scalar(select(SavedView).filter_by(ref=ref, page=page).where(may_delete()))
        if view is None:
            abort(404)
        db.session.delete(view)
        record("view.delete", page, details={"name": view.name})
    return redirect(url_for(f"support.{page}"), 303)


def may_delete() -> ColumnElement[bool]:
    is_mine = SavedView.staff_id == me().id
    return or_(is_mine, and_(SavedView.is_shared, true() if me().may("lead") else is_mine))


def offered(it: Listing, filters: dict[str, Any]) -> bool:
    """Whether every value is one that its filter offers; free text always is."""
    values = {f.name: {value for value, _ in f.options()} for f in it.filters}
    return all(not values[name] or value in values[name] for name, value in filters.items())
