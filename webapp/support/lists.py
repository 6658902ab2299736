"""Every list of the dashboard: filters in the address, pages by key, CSV, and an empty state that teaches."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Response, abort, request, stream_with_context, url_for
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from ..db import db, writing
from ..deck.reading import clean_text
from ..models import SavedView, StaffSession
from ..stamps import stamp
from .gate import me, needs, record, session
from .pages import bp, page

PAGE = 50
MOST_IN_CSV = 10_000
IN_A_BATCH = 200
LARGEST_ID = 2**31 - 1
"""What an id can be at most: PostgreSQL refuses to look for a larger one."""
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet would take for the beginning of a formula."""


@dataclass(frozen=True)
class Cell:
    """One value of a row. `kind` says how it is drawn: text, status, time (its age), moment (in full), number, code.

    `href` is where it leads.
    """

    value: Any
    kind: str = "text"
    href: str = ""
    tone: str = ""
    """For a status: good, problem, wait or nothing."""


@dataclass(frozen=True)
class Filter:
    """One way to narrow a list: a choice of `options` (value and words), or free text when there are none."""

    name: str
    label: str
    condition: Callable[[str], ColumnElement[bool] | None]
    """What the chosen value means; None when nothing can match it."""
    options: Callable[[], Sequence[tuple[str, str]]] = tuple


@dataclass(frozen=True)
class Listing:
    """A list: what it shows and how it is narrowed. Rows come newest first, by the key's order."""

    name: str
    """Its endpoint and its place: /support/<name>."""
    title: str
    columns: tuple[str, ...]
    query: Callable[[], Any]
    """A select of what `row` takes."""
    key: InstrumentedAttribute[int]
    row: Callable[[Any], Sequence[Cell]]
    """The cells of one row; the first that has a `href` is what Enter opens."""
    filters: tuple[Filter, ...] = ()
    empty: str = "Nothing yet."
    """What will be here and when, for somebody who sees the list for the first time."""
    needs_role: str = "viewer"
    more: Callable[[], dict[str, Any]] = field(default=dict)
    """What else its page shows."""
    template: str = "list.html"


LISTINGS: dict[str, Listing] = {}
"""By name."""


@dataclass(frozen=True)
class Rows:
    """One page of a list."""

    rows: list[list[Cell]]
    next: str = ""
    """The address of the next page."""


@dataclass(frozen=True)
class Choice:
    """A filter as its page shows it."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]]


@dataclass(frozen=True)
class Kept:
    """A saved view."""

    ref: str
    name: str
    href: str
    query: str
    is_mine: bool
    is_shared: bool


def listing(it: Listing) -> Listing:
    """Serve *it* at /support/<name>, as JSON and as CSV."""

    @page(f"/{it.name}", it.template, name=it.name, needs_role=it.needs_role)
    def show() -> dict[str, Any]:
        return {
            "title": it.title,
            "name": it.name,
            "columns": it.columns,
            "rows": page_of(it, request.args.get("before", "")),
            "choices": choices(it),
            "is_narrowed": any(chosen(it).values()),
            "empty": it.empty,
            "views": saved_views(it),
            "csv": url_for(f"support.{it.name}_csv", **chosen(it)),
            **it.more(),
        }

    return known(it)


def known(it: Listing) -> Listing:
    """*it* has a CSV, and views of it can be saved. What it looks like as a page is decided elsewhere."""
    bp.add_url_rule(f"/{it.name}.csv", f"{it.name}_csv", needs(it.needs_role)(lambda: as_csv(it)))
    LISTINGS[it.name] = it
    return it


# --- rows ------------------------------------------------------------------------------------------------------


def page_of(it: Listing, before: str) -> Rows:
    """The rows older than the one with the key *before*, and where the next page begins. 400 for a key that is none."""
    found = some_rows(it, key_in(before), PAGE + 1)
    shown = [list(it.row(row)) for row, _ in found[:PAGE]]
    if len(found) <= PAGE:
        return Rows(shown)
    return Rows(shown, url_for(f"support.{it.name}", **chosen(it), before=found[PAGE - 1][1]))


def some_rows(it: Listing, before: int | None, limit: int) -> list[tuple[Any, int]]:
    """Rows with their keys, newest first."""
    query = it.query().add_columns(it.key.label("list_key")).order_by(it.key.desc()).limit(limit)
    if before is not None:
        query = query.where(it.key < before)
    for filter in it.filters:
        value = chosen(it).get(filter.name)
        if value:
            condition = filter.condition(value)
            if condition is None:
                return []
            query = query.where(condition)
    return [(row if len(row) > 2 else row[0], row[-1]) for row in db.session.execute(query).unique()]


def key_in(text: str) -> int | None:
    """The key in an address; None for the first page, 400 for what we never gave out."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LARGEST_ID):
        abort(400)
    return int(text)


# --- filters ---------------------------------------------------------------------------------------------------


def chosen(it: Listing) -> dict[str, Any]:
    """The filters of this request that have a value."""
    return filters_in(it, request.args)


def filters_in(it: Listing, typed: Mapping[str, str]) -> dict[str, Any]:
    """The filters of a list that have a value: a short, clean text each."""
    given = {f.name: clean_text(typed.get(f.name), longest=200).strip() for f in it.filters}
    return {name: value for name, value in given.items() if value}


def choices(it: Listing) -> list[Choice]:
    now = chosen(it)
    return [Choice(f.name, f.label, now.get(f.name, ""), list(f.options())) for f in it.filters]


def saved_views(it: Listing) -> list[Kept]:
    """This list's saved views: one's own and everybody's."""
    who = me().id
    query = select(SavedView).filter_by(page=it.name).where(or_(SavedView.staff_id == who, SavedView.is_shared))
    found = db.session.scalars(query.order_by(SavedView.name, SavedView.id).limit(PAGE))
    address = url_for(f"support.{it.name}")
    return [
        Kept(view.ref, view.name, f"{address}?{view.query}", view.query, view.staff_id == who, view.is_shared)
        for view in found
    ]


# --- CSV -------------------------------------------------------------------------------------------------------


def as_csv(it: Listing) -> Response:
    """A file to take away, which is on record."""
    with writing():
        record("export", it.name, details={"filters": sorted(chosen(it))})
    name = f'attachment; filename="{it.name}.csv"'
    lines = stream_with_context(csv_lines(it, session().id))
    return Response(lines, mimetype="text/csv", headers={"Content-Disposition": name})


def csv_lines(it: Listing, staff_session_id: int) -> Iterator[str]:
    """The list as it is narrowed now, a batch of rows at a time; the last line says so if there is more.

    It ends with the session. Whoever reads slowly holds no connection to the database meanwhile.
    """
    yield csv_line(it.columns)
    before, count = None, 0
    while StaffSession.is_open_still(staff_session_id) and (found := some_rows(it, before, IN_A_BATCH)):
        lines = [csv_line([cell.value for cell in it.row(row)]) for row, _ in found]
        count, before = count + len(found), found[-1][1]
        db.session.rollback()
        yield from lines
        if count >= MOST_IN_CSV:
            yield csv_line([f"Only the newest {MOST_IN_CSV:,} rows: narrow the list for the others."])
            return


def csv_line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([harmless(value) for value in values])
    return line.getvalue()


def harmless(value: Any) -> Any:
    """What a spreadsheet shows as text instead of running it."""
    if isinstance(value, datetime):
        return stamp(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(DANGEROUS) and not isinstance(value, (int, float)) else text
