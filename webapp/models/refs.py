"""Names for rows that may be shown: unguessable, and no authority by themselves."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Annotated, Any

from sqlalchemy import Dialect, Select, String, Table, bindparam, select
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

LETTERS = "ABCDEFGHJKLMNPQRSTVWXYZ"


def new_ref() -> str:
    """Names a row in addresses, such as ``kR3vQ0sZp1xw8A2c``."""
    return secrets.token_urlsafe(12)


def new_support_code() -> str:
    """What a person reads out to support, such as ``KX-4417``."""
    letters, number = divmod(secrets.randbelow(len(LETTERS) ** 2 * 10_000), 10_000)
    first, second = divmod(letters, len(LETTERS))
    return f"{LETTERS[first]}{LETTERS[second]}-{number:04d}"


def free_support_code(context: Any) -> str:
    """One that no row of this table has: there are five million of them, so sooner or later two would meet."""
    taken = _with_code(context.compiled.statement.table)
    while True:
        code = new_support_code()
        if context.connection.scalar(taken, {"code": code}) is None:
            return code


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
