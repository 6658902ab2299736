"""Names for rows that may be shown: unguessable, and no authority by themselves."""

from __future__ import annotations

import re
import secrets
from functools import cache
from typing import Annotated, Any

from sqlalchemy import Dialect, Select, String, Table, bindparam, select
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

LETTERS = "ABCDEFGHJKLMNPQRSTVWXYZ"
SUPPORT_CODE = re.compile(r"([A-Za-z]{2,3})[\s\u2010-\u2015-]?([0-9]{4})")
SHORT_TRIES, LONG_TRIES = 5, 50


def new_ref() -> str:
    """Names a row in addresses, such as ``kR3vQ0sZp1xw8A2c``."""
    return secrets.token_urlsafe(12)


def new_support_code(letters: int = 2) -> str:
    """What a person reads out to support, such as ``KX-4417``, or ``KXB4417`` with three letters."""
    drawn = "".join(secrets.choice(LETTERS) for _ in range(letters))
    return spelled(drawn, f"{secrets.randbelow(10_000):04d}")


def support_code_in(text: str) -> str | None:
    """The code that somebody means, however they write it; None when it is none."""
    found = SUPPORT_CODE.fullmatch(text)
    return spelled(found[1].upper(), found[2]) if found else None


def spelled(letters: str, digits: str) -> str:
    """Seven characters either way."""
    return f"{letters}-{digits}" if len(letters) == 2 else f"{letters}{digits}"


def free_support_code(context: Any) -> str:
    """One that no row of this table has.

    There are five million with two letters: a busy installation fills them, and looking for the last free one would
    hold up everybody who writes. So after a few tries it gets a third letter; of those there are 121 million.
    """
    taken = _with_code(context.compiled.statement.table)
    for letters in [2] * SHORT_TRIES + [3] * LONG_TRIES:
        code = new_support_code(letters)
        if context.connection.scalar(taken, {"code": code}) is None:
            return code
    raise LookupError("no support code is free")


@cache
def _with_code(table: Table) -> Select[int]:
    return select(table.c.id).where(table.c.support_code == bindparam("code"))


class RefText(TypeDecorator[str]):
    """Text from addresses: PostgreSQL refuses even to look for a NUL, SQLite looks and finds nothing. So do we."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\ufffd") if value else value


Ref = Annotated[str, mapped_column(RefText(16), unique=True, default=new_ref)]
DeckId = Annotated[str, mapped_column(String(255))]
