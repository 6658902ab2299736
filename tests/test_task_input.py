"""A task that wants to know something first asks for it, by its input schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from tests.people import Deck, Visitor
from webapp.catalog import read_catalog
from webapp.demo import cast
from webapp.sync import sync

ASKS = """files = true

[tasks.input_schema]
type = "object"
required = ["since", "pages"]

[tasks.input_schema.properties]
since = { type = "string", format = "date", title = "Since when?" }
pages = { type = "integer", minimum = 1, maximum = 12, title = "How many months?", description = "1 to 12" }
kind = { type = "string", enum = ["all", "paid"], title = "Which bills?" }
paper = { type = "boolean", title = "On paper too?" }
late = { type = "boolean", default = true, title = "Late ones as well?" }
"""


@pytest.fixture
def asked(robin: Visitor, app: Flask, tmp_path: Path) -> Visitor:
    """Robin, signed in at a source and asked what the task wants to know."""
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(cast.CATALOG.read_text().replace("files = true\n", ASKS, 1))
    with app.app_context():
        sync(read_catalog(catalog), lambda step: None)
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    assert robin.view() == "input"
    return robin


def test_the_run_starts_with_what_was_typed(asked: Visitor, deck: Deck) -> None:
    assert "Since when?" in asked.sees()
    assert asked.field("since").get("type") == "date"
    asked.presses("Start", since="2026-01-01", pages="3", kind="paid")
    assert asked.view() == "progress"
    assert deck.objects("task_runs")[0]["input"] == {"since": "2026-01-01", "pages": 3, "kind": "paid", "late": True}
    deck.goes_on()
    asked.looks_again()
    assert "Northlight Power is connected" in asked.sees()


def test_a_mistake_is_named_and_what_was_typed_stays(asked: Visitor, deck: Deck) -> None:
    asked.presses("Start", since="2026-01-01", pages="99")
    assert asked.page.status_code == 422
    assert "This does not fit. Check it again." in asked.sees()
    assert asked.field("since").get("value") == "2026-01-01"
    assert asked.field("pages").get("value") == "99"
    asked.presses("Start", since="2026-01-01", pages="many", paper="yes", late="no")
    assert asked.field("pages").get("value") == "many"
    assert [checked(asked, name) for name in ("paper", "late")] == ["yes", "no"]
    asked.presses("Start", since="", pages="many")
    assert "Fill this in." in asked.sees()
    assert "Enter a number." in asked.sees()
    for odd in ("nan", "inf", "1e999", "9" * 400):
        asked.presses("Start", since="2026-01-01", pages=odd)
        assert asked.page.status_code == 422, odd
    assert deck.objects("task_runs") == []


def checked(visitor: Visitor, name: str) -> str | None:
    """Which of the choices called *name* is chosen."""
    chosen = [i for i in visitor.tree.iter("input") if i.get("name") == name and i.get("checked") is not None]
    return chosen[0].get("value") if chosen else None


def test_trying_again_asks_again(asked: Visitor, deck: Deck) -> None:
    asked.presses("Start", since="2026-01-01", pages="3")
    asked.presses("Stop")
    deck.lets_pass(seconds=5)
    asked.looks_again()
    asked.presses("Try again")
    assert asked.view() == "input"
    assert asked.looks_again() == "input", "a reload keeps the place"
    asked.presses("Start", since="2026-02-01", pages="1")
    assert asked.view() == "progress"
    assert len(deck.objects("task_runs")) == 2


def test_a_refresh_asks_as_well(asked: Visitor, deck: Deck) -> None:
    asked.presses("Start", since="2026-01-01", pages="3")
    deck.goes_on()
    asked.looks_again()
    asked.presses("Done")
    asked.presses("Refresh")
    assert asked.view() == "input"
