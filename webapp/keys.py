"""Which columns are sealed, and sealing them anew: the first key of VAULT_KEYS takes over from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import InstrumentedAttribute

from .current import config, vault
from .db import db, writing
from .models import Endpoint, Intent, Run, Staff
from .vault import Unsealable

BATCH = 100
UNKNOWN = "?"
"""Stands for keys that are not in VAULT_KEYS any more."""


@dataclass(frozen=True)
class Sealed:
    """A sealed column, and the column that names its row in the place a value is bound to."""

    column: InstrumentedAttribute[Any]
    name: InstrumentedAttribute[Any]

    @property
    def place(self) -> str:
        return f"{self.column.class_.__tablename__}.{self.column.key}"


SEALED = [
    Sealed(Run.sealed_output, Run.ref),
    Sealed(Intent.sealed_input, Intent.key),
    Sealed(Endpoint.sealed_secret, Endpoint.ref),
    Sealed(Endpoint.sealed_previous, Endpoint.ref),
    Sealed(Staff.sealed_seed, Staff.ref),
]


@dataclass
class Rotation:
    """How it went. `stuck` are values that open with no key we have, or not in their place."""

    sealed_anew: int = 0
    stuck: int = 0


def count_by_key() -> Counter[str]:
    """How many values each key of VAULT_KEYS has sealed; under `UNKNOWN`, those of any other key."""
    counts: Counter[str] = Counter()
    for sealed in SEALED:
        all = db.session.scalar(select(func.count(sealed.column))) or 0
        for id, _ in config().vault_keys:
            mine = select(func.count()).where(sealed.column.startswith(vault().prefix(id), autoescape=True))
            counts[id] += (some := db.session.scalar(mine) or 0)
            all -= some
        counts[UNKNOWN] += all
    db.session.rollback()
    return counts


def rotate() -> Rotation:
    """Seal everything under the first key, a batch at a time.

    The app may go on meanwhile: a value that has changed since it was read is left to whoever changed it.
    Ended anywhere, it is done by starting it again.
    """
    done = Rotation()
    for sealed in SEALED:
        for rows in pages(sealed):
            anew = []
            for id, name, was in rows:
                place = f"{sealed.place}.{name}"
                try:
                    anew.append(
                        {"at": id, "was": was, "anew": vault().seal(vault().open(was, place=place), place=place)}
                    )
                except Unsealable:
                    done.stuck += 1
            done.sealed_anew += replace(sealed, anew)
    return done


def pages(sealed: Sealed) -> Iterator[list[tuple[int, str, str]]]:
    """Rows with a value under another key than the first: (id, name, value), by id. None is given twice."""
    model, after = sealed.column.class_, 0
    others = sealed.column.is_not(None), ~sealed.column.startswith(vault().prefix(vault().current), autoescape=True)
    while True:
        query = select(model.id, sealed.name, sealed.column).where(*others, model.id > after)
        rows = [tuple(row) for row in db.session.execute(query.order_by(model.id).limit(BATCH))]
        db.session.rollback()
        if not rows:
            return
        after = rows[-1][0]
        yield rows


def replace(sealed: Sealed, anew: list[dict[str, Any]]) -> int:
    """Each value by the new one, if it is still the old one; how many were."""
    if not anew:
        return 0
    table = sealed.column.class_.__table__
    column = table.c[sealed.column.key]
    change = update(table).where(table.c.id == bindparam("at"), column == bindparam("was"))
    with writing():
        done = db.session.connection().execute(change.values({column.key: bindparam("anew")}), anew)
    return int(done.rowcount)
