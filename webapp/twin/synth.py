"""Made-up outputs for runs nobody pinned: they fit the task's schema and never change for a seed.

Known are types, const, enum, the bounds of numbers, texts and lists, multipleOf, common formats, local references,
the first choice of anyOf and oneOf, and patterns as far as `texts_like` goes. Other words of JSON Schema, such as
allOf, not or uniqueItems, are overlooked: what they rule out may come out. Pin an output where that matters.
"""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from re import _parser  # type: ignore[attr-defined]  # the only reader of patterns there is
from typing import Any

from .derive import Derive
from .objects import Object

FORMATS = {
    "email": "someone@example.test",
    "uri": "https://example.test/",
    "date-time": "2025-01-15T09:30:00Z",
    "time": "09:30:00Z",
}
DEEPEST = 12
"""How many references in a row are followed."""


def value(derive: Derive, schema: Object | None, *path: str) -> Any:
    """A value that fits *schema*; *path* keys it, so that neighbours do not shift one another."""
    return _value(derive, schema or {}, path, schema or {}, ())


def _value(derive: Derive, schema: Any, path: tuple[str, ...], root: Object, inside: tuple[str, ...]) -> Any:
    """*root* is the whole schema, where references lead; one that is *inside* itself comes to null."""
    if isinstance(schema, dict) and "$ref" in schema:
        if schema["$ref"] in inside:
            return None
        inside = (*inside, schema["$ref"])
    schema = resolved(schema, root)
    if schema is None:
        return None
    if "const" in schema:
        return schema["const"]
    roll = derive.number("synth", *path)
    if schema.get("enum"):
        return schema["enum"][roll % len(schema["enum"])]
    for choices in ("anyOf", "oneOf"):
        if not schema.keys() & {"type", "properties"} and schema.get(choices):
            telling = [choice for choice in schema[choices] if choice != {"type": "null"}] or schema[choices]
            return _value(derive, telling[0], path, root, inside)
    kinds = schema.get("type", "object" if "properties" in schema else "null")
    kind = next((k for k in kinds if k != "null"), "null") if isinstance(kinds, list) else kinds
    match kind:
        case "object":
            parts = schema.get("properties", {}).items()
            return {name: _value(derive, part, (*path, name), root, inside) for name, part in parts}
        case "array":
            count = max(schema.get("minItems", 0), min(3, schema.get("maxItems", 3)))
            return [_value(derive, schema.get("items", {}), (*path, str(i)), root, inside) for i in range(count)]
        case "integer" | "number":
            return number(schema, roll, whole=kind == "integer")
        case "boolean":
            return bool(roll % 2)
        case "string":
            return text(schema, roll, path[-1])
    return None


def cut(found: Any, schema: Object) -> Any:
    """*found* with the properties *schema* has, and no others; those it lacks are null."""
    properties = (resolved(schema, schema) or {}).get("properties")
    return found if properties is None else {name: found.get(name) for name in properties}


def resolved(schema: Any, root: Object) -> Object | None:
    """*schema*, or what its `$ref` leads to inside *root*; None where it leads nowhere or in a circle."""
    for _ in range(DEEPEST):
        ref = schema.get("$ref") if isinstance(schema, dict) else None
        if ref is None:
            return schema if isinstance(schema, dict) else {}
        if not isinstance(ref, str) or not re.fullmatch(r"#(/.*)?", ref):
            return None
        found: Any = root
        for name in ref.split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                return None
            found = found[name]
        schema = found
    return None


def number(schema: Object, roll: int, *, whole: bool) -> Any:
    """Between the bounds, which are 1000 apart where one is missing; a multiple where that is asked for."""
    step = 1 if whole else 0.01
    bounds = dict(schema)
    if "exclusiveMinimum" in schema:
        bounds.setdefault("minimum", schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        bounds.setdefault("maximum", schema["exclusiveMaximum"] - step)
    low = bounds.get("minimum", min(0, bounds.get("maximum", 0)))
    high = bounds.get("maximum", low + 1000)
    made = low + (roll % 10_000) / 10_000 * (high - low)
    if unit := schema.get("multipleOf"):
        return multiple(unit, made, low, high)
    return math.ceil(made) if whole else max(low, min(high, round(made, 2)))


def multiple(unit: float, near: float, low: float, high: float) -> float:
    """The first multiple of *unit* from *near* on, or from *low* on, that validators take for one."""
    for start in (near, low):
        for n in range(math.ceil(start / unit), math.ceil(start / unit) + 100):
            made = round(n * unit, 10)
            if low <= made <= high and (made / unit).is_integer():
                return made
    return 0


def text(schema: Object, roll: int, name: str) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if pattern := schema.get("pattern"):
        for made in texts_like(pattern, roll):
            if re.search(pattern, made) and least <= len(made) <= (len(made) if most is None else most):
                return made
    if schema.get("format") == "date":
        return (date(2025, 1, 1) + timedelta(days=roll % 365)).isoformat()
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    made = f"{name.replace('_', ' ')} {roll % 1000}"
    return made.ljust(least, "x")[:most]


class NotUnderstood(Exception):
    """A part of a pattern for which no text is made up: `texts_like` says which are."""


def texts_like(pattern: str, roll: int) -> list[str]:
    """Texts that should match: with each repetition as short as can be, then up to forty times.

    Literals, classes, ranges, groups, alternatives and repetitions are understood; look-around, back references and
    negated classes are not.
    """
    try:
        parts = list(_parser.parse(pattern))
        return ["".join(_like(part, roll, times) for part in parts) for times in range(41)]
    except (re.error, NotUnderstood, OverflowError):
        return []


CATEGORIES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_WORD": "abcdefghij", "CATEGORY_SPACE": " "}


def _like(part: Any, roll: int, times: int) -> str:
    """One part of a parsed pattern. Python's parser gives (word, argument) pairs."""
    word, what = str(part[0]), part[1]
    match word:
        case "LITERAL":
            return chr(what)
        case "ANY":
            return "x"
        case "AT":
            return ""
        case "IN":
            return _one_of(what, roll)
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = what
            count = max(least, min(int(most), times))
            return "".join(_like(p, roll // 7**i, times) for i in range(count) for p in inner)
        case "SUBPATTERN":
            return "".join(_like(p, roll, times) for p in what[-1])
        case "BRANCH":
            return "".join(_like(p, roll, times) for p in what[1][roll % len(what[1])])
    raise NotUnderstood(word)


def _one_of(choices: Any, roll: int) -> str:
    word, what = choices[roll % len(choices)]
    match str(word):
        case "LITERAL":
            return chr(what)
        case "RANGE":
            return chr(what[0] + roll % (what[1] - what[0] + 1))
        case "CATEGORY" if str(what) in CATEGORIES:
            return CATEGORIES[str(what)][roll % len(CATEGORIES[str(what)])]
    raise NotUnderstood(word)
