"""Outputs that nobody pinned fit what their schema asks for, as far as the twin understands it."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from webapp.twin.derive import Derive
from webapp.twin.synth import value

from .planes import Control, Deck


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}\d{8}$",
        r"^\d{4}-\d{2}$",
        r"INV-[0-9]+",
        r"^(paid|due)$",
        r"^[a-z_]+@[a-z]+\.test$",
        r"^.{5,}$",
        r"^a?b*c+$",
        r"^\w\s\w$",
    ],
)
def test_a_text_follows_a_simple_pattern(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}

    for seed in map(str, range(30)):
        Draft202012Validator(schema).validate(value(Derive(seed), schema, "task_x"))


def test_a_pattern_is_filled_up_to_the_length_asked_for() -> None:
    schema = {"type": "string", "pattern": "^[0-9]+$", "minLength": 12, "maxLength": 12}

    made = value(Derive(), schema, "task_x")

    assert len(made) == 12
    assert made.isdigit()


@pytest.mark.parametrize("pattern", [r"^(?!a)b$", r"(", r"^(a)\1$", r"[^a]", "^x{5}$"])
def test_a_pattern_that_is_not_understood_is_overlooked(pattern: str) -> None:
    assert isinstance(value(Derive(), {"type": "string", "pattern": pattern, "maxLength": 3}, "task_x"), str)


@given(
    unit=st.sampled_from([1, 2, 5, 7, 0.5, 0.25, 0.01, 0.1, 10]),
    kind=st.sampled_from(["integer", "number"]),
    low=st.integers(-500, 500),
    seed=st.text(max_size=3),
)
@settings(max_examples=80, deadline=None)
def test_a_number_is_a_multiple(unit: float, kind: str, low: int, seed: str) -> None:
    schema = {"type": kind, "multipleOf": unit, "minimum": low, "maximum": low + 20}

    made = value(Derive(seed), schema, "task_x")

    Draft202012Validator({**schema, "type": "number"}).validate(made)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_exclusive_bounds_are_kept(kind: str) -> None:
    for bounds in ({"exclusiveMinimum": 3, "exclusiveMaximum": 5}, {"exclusiveMaximum": -2}, {"exclusiveMinimum": 9}):
        schema = {"type": kind, **bounds}
        Draft202012Validator(schema).validate(value(Derive(), schema, "task_x"))


def test_local_references_are_followed() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"due": {"$ref": "#/$defs/money"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}}},
        "required": ["due", "parts"],
        "$defs": {
            "money": {"type": "number", "minimum": 5, "maximum": 9},
            "part": {"type": "object", "properties": {"cost": {"$ref": "#/$defs/money"}}, "required": ["cost"]},
        },
    }

    made = value(Derive(), schema, "task_x")

    Draft202012Validator(schema).validate(made)
    assert 5 <= made["parts"][0]["cost"] <= 9


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    tree: dict[str, Any] = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}

    assert set(value(Derive(), tree, "task_x")) == {"left", "right"}
    assert value(Derive(), {"$ref": "#"}, "task_x") is None


def test_a_schema_at_a_reference_shapes_what_the_site_holds(deck: Deck, control: Control) -> None:
    control.site({"username": "kim@example.test", "password": "correct horse", "output": {"total": 3, "extra": 1}})
    bill = {"type": "object", "properties": {"total": {"type": "number"}}}
    run = deck.run(task=deck.task(output_schema={"$ref": "#/$defs/bill", "$defs": {"bill": bill}}))
    control.until("task_run.completed")

    assert deck.see(run)["output"] == {"total": 3}


@pytest.mark.parametrize("ref", ["https://example.test/schema", "#/$defs/none", "other.json"])
def test_a_task_may_only_refer_to_its_own_schema(deck: Deck, ref: str) -> None:
    body = {"name": "t", "agent_id": deck.post("/agents", {"name": "a"})["id"]}
    schema = {"type": "object", "properties": {"total": {"$ref": ref}}}

    for name in ("input_schema", "output_schema"):
        response = deck.call("POST", "/tasks", {**body, name: schema})
        assert response.status_code == 400
        assert list(response.json["errors"]) == [name]


leaf_schemas = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": ["null", "string"]}),
    st.just({"const": {"a": 1}}),
    st.builds(lambda values: {"enum": values}, st.lists(st.text(), min_size=1)),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 300),
        st.integers(0, 9),
    ),
    st.builds(
        lambda kind, low, more: {"type": kind, "minimum": low, "maximum": low + more},
        st.sampled_from(["integer", "number"]),
        st.integers(-(10**9), 10**9),
        st.integers(0, 10**6),
    ),
    st.builds(lambda high: {"type": "integer", "maximum": high}, st.integers(-5000, 5000)),
    st.builds(lambda low: {"type": "number", "minimum": low}, st.floats(-1e6, 1e6)),
)
schemas = st.recursive(
    leaf_schemas,
    lambda inner: st.one_of(
        st.builds(
            lambda parts: {"type": "object", "properties": parts, "required": list(parts)},
            st.dictionaries(st.text(max_size=5), inner, max_size=4),
        ),
        st.builds(
            lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
            inner,
            st.integers(0, 5),
            st.integers(0, 5),
        ),
    ),
    max_leaves=6,
)


@given(schema=schemas)
@settings(max_examples=80, deadline=None)
def test_whatever_is_made_up_fits_its_schema(schema: dict[str, object]) -> None:
    Draft202012Validator(schema).validate(value(Derive(), schema, "task_x"))


@pytest.mark.parametrize("form", ["email", "uri", "date", "date-time", "time"])
def test_made_up_texts_have_their_format(form: str) -> None:
    schema = {"type": "string", "format": form}

    made = value(Derive(), schema, "task_x")

    read = {"date": date.fromisoformat, "date-time": datetime.fromisoformat, "time": time.fromisoformat}
    if form in read:
        read[form](made)
    else:
        assert made.startswith("https://" if form == "uri" else "someone@")
