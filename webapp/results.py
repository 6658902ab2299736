"""What came back, laid out by the task's output schema: money, dates, tables; never raw JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from babel.core import UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import UnknownCurrencyError, format_currency, format_decimal

LOCALE = "en"
MOST_ROWS = 500
MISSING = "—"
MINUS = "−"


@dataclass(frozen=True)
class Value:
    """One value, ready to show. `kind` is text, number, money, date or missing."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    title: str
    columns: list[str]
    rows: list[list[Value]]
    left_out: int = 0


@dataclass
class Section:
    """Labelled values, and what is nested below them."""

    title: str
    values: list[tuple[str, Value]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


def lay_out(output: Any, schema: Mapping[str, Any] | None, title: str = "") -> Section:
    """Everything in *output* the schema declares, in the schema's order."""
    section = Section(title)
    found = output if isinstance(output, Mapping) else {}
    for name, part in properties(schema, found).items():
        label, value = part.get("title") or pretty(name), found.get(name)
        if name == "currency" and any(is_money(p) for p in properties(schema, found).values()):
            continue  # it is shown with the amounts
        if is_list_of_objects(part, value):
            section.tables.append(table(label, value or [], part.get("items", {}), found))
        elif isinstance(value, Mapping):
            section.sections.append(lay_out(value, part, label))
        elif isinstance(value, list):
            section.values.append((label, Value(", ".join(show(v, {}, found).text for v in value) or MISSING)))
        else:
            section.values.append((label, show(value, part, found)))
    return section


def table(title: str, rows: Sequence[Any], schema: Mapping[str, Any], around: Mapping[str, Any]) -> Table:
    objects = [row for row in rows if isinstance(row, Mapping)]
    columns = properties(schema, objects[0] if objects else {})
    columns = {name: part for name, part in columns.items() if name != "currency"}
    shown = [
        [show(row.get(name), part, {**around, **row}) for name, part in columns.items()] for row in objects[:MOST_ROWS]
    ]
    labels = [part.get("title") or pretty(name) for name, part in columns.items()]
    return Table(title, labels, shown, max(0, len(objects) - MOST_ROWS))


def show(value: Any, part: Mapping[str, Any], around: Mapping[str, Any]) -> Value:
    """One value by its type and format. `around` is the object it is in: its `currency` is the currency of money."""
    if value is None or value == "":
        return Value(MISSING, "missing")
    if isinstance(value, bool):
        return Value("Yes" if value else "No")
    if isinstance(value, int | float):
        if is_money(part):
            return Value(money(value, str(around.get("currency") or "")).replace("-", MINUS), "money")
        return Value(number(value).replace("-", MINUS), "number")
    if part.get("format") in ("date", "date-time"):
        return Value(moment(str(value)), "date")
    return Value(str(value))


def money(amount: float, currency: str) -> str:
    try:
        return format_currency(amount, currency.upper(), locale=LOCALE)
    except (UnknownCurrencyError, UnknownLocaleError, ValueError, ArithmeticError):
        return number(amount, format="#,##0.00")


def number(value: float, format: str | None = None) -> str:
    try:
        return format_decimal(value, format=format, locale=LOCALE)
    except ArithmeticError:  # too many digits to round
        return str(value)


def moment(text: str) -> str:
    """A date or a time as people write it; the text itself when it is neither."""
    try:
        if len(text) <= 10:
            return format_date(date.fromisoformat(text), format="medium", locale=LOCALE)
        return format_datetime(datetime.fromisoformat(text), format="medium", locale=LOCALE)
    except ValueError:
        return text


def is_money(part: Mapping[str, Any]) -> bool:
    return part.get("format") == "money"


def is_list_of_objects(part: Mapping[str, Any], value: Any) -> bool:
    declared = "properties" in (part.get("items") or {})
    return declared if value is None else isinstance(value, list) and any(isinstance(v, Mapping) for v in value)


def properties(schema: Mapping[str, Any] | None, found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The declared properties; without a schema, whatever is there."""
    declared = (schema or {}).get("properties")
    return dict(declared) if isinstance(declared, Mapping) else {str(name): {} for name in found}


def pretty(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
