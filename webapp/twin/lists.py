"""Deck's lists: newest first, by cursor, lenient about bad values.

A world may hold 100,000 runs, so a list is walked lazily and no further than the page's end.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, compress, dropwhile, islice, takewhile, tee
from operator import itemgetter

from flask import request

from .clock import TICK, parse_moment
from .objects import Object

DEFAULT, MOST = 20, 100


def page(items: Iterable[Object], view: Callable[[Object], Object], *, oldest_first: bool = False) -> Object:
    """One page of *items*, by `limit` in any casing and `cursor`, `starting_after` or `ending_before`."""
    given = {name.lower(): value for name, value in request.args.items()}
    limit = size(given.get("limit", ""))
    if place := _place_in(given.get("cursor", "")):
        items = _beyond(items, *place, oldest_first=oldest_first)
    elif given.keys() & {"starting_after", "ending_before"}:
        rows = list(items)
        ids = list(map(itemgetter("id"), rows))
        if (after := given.get("starting_after")) in ids:
            rows = rows[ids.index(after) + 1 :]
        elif (before := given.get("ending_before")) in ids:
            earlier = rows[: ids.index(before)]
            data = [view(row) for row in earlier[-limit:]]
            return {"data": data, "has_more": len(earlier) > limit, "next_cursor": None}
        items = rows
    shown = list(islice(items, limit + 1))
    more = len(shown) > limit
    return {
        "data": [view(row) for row in shown[:limit]],
        "has_more": more,
        "next_cursor": _cursor(shown[limit - 1]) if more else None,
    }


def latest() -> str:
    """The moment after which the request wants nothing, by `cursor` or `created_before`; "" where it wants all.

    A long list can begin there instead of walking up to it.
    """
    place, end = _place_in(request.args.get("cursor", "")), _time(request.args.get("created_before"))
    return place[0] if place else _written(end + TICK) if end and end < LAST else ""


def size(text: str) -> int:
    """The page size asked for, clamped at 100; anything unreadable or below 1 is the default, 20."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return min(number, MOST) if number >= 1 else DEFAULT


def filtered(items: Iterable[Object], wanted: dict[str, list[str]]) -> Iterable[Object]:
    """Items that have one of the wanted values in every field; fields without wishes let all pass."""
    for field, values in wanted.items():
        if values:
            items = _having(items, field, frozenset(values))
    return items


def _having(items: Iterable[Object], field: str, values: frozenset[str]) -> Iterator[Object]:
    """All of it runs in C: of 100,000 items most are passed over."""
    items, same = tee(items)
    return compress(items, map(values.__contains__, map(itemgetter(field), same)))


def between(items: Iterable[Object], after: str | None, before: str | None) -> Iterable[Object]:
    """Of *items*, newest first, those created after and before the given times; unreadable times are ignored."""
    if start := _time(after):
        lower = _written(start)
        items = takewhile(lambda item: item["created_at"] > lower, items)
    if end := _time(before):
        upper = _written(end + TICK - timedelta(microseconds=1) if end < LAST else end)  # rounded up to a whole tick
        items = (item for item in items if item["created_at"] < upper)
    return items


LAST = datetime.max.replace(tzinfo=UTC) - TICK


def _written(value: datetime) -> str:
    """As `created_at` is written, so that comparing the texts compares the times."""
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _time(text: str | None) -> datetime | None:
    try:
        return parse_moment(text) if text else None
    except ValueError:
        return None


def _cursor(last: Object) -> str:
    place = {"id": last["id"], "created_at": last["created_at"]}
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place_in(cursor: str) -> tuple[str, str] | None:
    """Where the page before ended: a place in the order, good even when that row has left the list since."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor))
        return str(found["created_at"]), str(found["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _beyond(items: Iterable[Object], at: str, id: str, *, oldest_first: bool) -> Iterator[Object]:
    """What comes after the place (*at*, *id*). Rows of one moment keep the order in which they are listed."""
    before = (lambda row: row["created_at"] < at) if oldest_first else (lambda row: row["created_at"] > at)
    rest: Iterator[Object] = dropwhile(before, items)
    tied: list[Object] = []
    for row in rest:
        if row["created_at"] != at:
            rest = chain([row], rest)
            break
        tied.append(row)
    ids = [row["id"] for row in tied]
    return chain(tied[ids.index(id) + 1 :] if id in ids else tied, rest)
