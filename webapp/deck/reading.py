"""Reading what comes from outside: bounded JSON, and text from websites made harmless."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any

MAX_KEYS = 20_000
MAX_DEPTH = 32
MAX_INTEGER = 2**63

_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


class Unreadable(ValueError):
    """The bytes are not the JSON object we were promised."""


def parse_object(body: bytes, *, most_keys: int = MAX_KEYS) -> dict[str, Any]:
    """A JSON object within bounds; `Unreadable` for anything else.

    Refused are anything but UTF-8 without a BOM, NaN and Infinity (1e999 is one too), repeated keys, integers of
    2**63 and more, nesting deeper than 32 and more than *most_keys* keys: each is legal somewhere and a trap elsewhere.
    """
    keys = 0

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal keys
        keys += len(items)
        found = dict(items)
        if keys > most_keys or len(found) != len(items):
            raise Unreadable("too many keys, or one key twice")
        return found

    try:
        parsed = json.loads(
            body.decode(),
            object_pairs_hook=pairs,
            parse_constant=_no_constant,
            parse_int=_bounded,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(parsed, dict) or _depth(parsed) > MAX_DEPTH:
        raise Unreadable("not an object, or nested too deeply")
    return parsed


def _no_constant(name: str) -> None:
    raise Unreadable(f"{name} is not JSON")


def _bounded(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= MAX_INTEGER:
        raise Unreadable("an integer is too large")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise Unreadable("a number is too large")
    return value


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= MAX_DEPTH:
        deepest += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest


def clean_text(value: object, *, longest: int = 2_000) -> str:
    """Text from a website, safe to keep and to show: no control, surrogate or direction-changing characters.

    Line breaks and tabs stay. Anything that is not a string becomes one; None becomes "".
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    text = text[: longest * 2].replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text))[:longest].strip()


def one_line(value: object, *, longest: int = 200) -> str:
    """`clean_text` without line breaks: for ids, names and labels."""
    return " ".join(clean_text(value, longest=longest).split())


def is_harmless(text: str) -> bool:
    """Whether *text* can go through a form and come back as it was."""
    return not _UNWANTED.search(text) and not set(text) & set("\n\t\u2028\u2029")


def clean_json(value: Any) -> Any:
    """The same value with every string cleaned, keys included."""
    if isinstance(value, str):
        return clean_text(value, longest=10_000)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {one_line(key): clean_json(item) for key, item in value.items()}
    return value
