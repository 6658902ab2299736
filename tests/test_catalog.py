"""The catalog says where it is wrong, and applying it twice changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.people import Deck
from webapp.catalog import BadCatalog, read_catalog
from webapp.db import db
from webapp.demo import cast
from webapp.models import Source, Task
from webapp.sync import sync

OPERATORS = Path(__file__).parent.parent / "docs/operators.md"
SMALL = """
[[tasks]]
slug = "bill"
name = "Bill"
prompt = "Fetch the latest bill."
[[sources]]
slug = "acme"
name = "Acme"
url = "https://acme.example/"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("[[tasks]]", "[[tasks"), "catalog.toml"),
        (('slug = "acme"', 'slug = "Acme Inc"'), r"sources\[0\].slug"),
        (('name = "Acme"', 'name = ""'), r"sources\[0\].name"),
        (('url = "https://acme.example/"', 'url = "http://acme.example/"'), r"sources\[0\].url"),
        (('url = "https://acme.example/"', 'url = "https://acme.example:abc/"'), r"sources\[0\].url"),
        (('name = "Acme"', 'name = "Acme"\nlogo = "x.png"'), r"sources\[0\]: no setting is called 'logo'"),
        (('name = "Acme"', 'name = "Acme"\npopularity = "high"'), r"sources\[0\].popularity"),
        (
            ('name = "Acme"', 'name = "Acme"\nsource_fields = [{name = "password", label = "P"}]'),
            "not a name Deck takes",
        ),
        (('name = "Bill"', 'name = "Bill"\noutput_schema = {type = "nonsense"}'), r"tasks\[0\].output_schema"),
        (('name = "Bill"', 'name = "Bill"\ngets = "all"'), r"tasks\[0\].gets"),
        (
            ("[[sources]]", '[[sources]]\nslug = "acme"\nname = "A"\nurl = "https://a.example/"\n[[sources]]'),
            "'acme' twice",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(BadCatalog, match=complaint):
        read_catalog(written(tmp_path, SMALL.replace(*change)))


def synced(app: Flask, path: Path) -> list[str]:
    steps: list[str] = []
    with app.app_context():
        sync(read_catalog(path), steps.append)
    return steps


def test_applying_it_again_does_nothing(app: Flask, deck: Deck) -> None:
    before = {kind: len(deck.objects(kind)) for kind in ("agents", "sources", "tasks", "event_destinations")}
    assert synced(app, cast.CATALOG) == []
    assert {kind: len(deck.objects(kind)) for kind in before} == before


def test_a_change_is_repaired_in_place(app: Flask, deck: Deck, tmp_path: Path) -> None:
    text = cast.CATALOG.read_text()
    changed = text.replace('name = "Northlight Power"', 'name = "Northlight Energy"').replace(
        "Sign in and read", "Log in and read"
    )
    steps = synced(app, written(tmp_path, changed))
    assert steps == ["updating source Northlight Energy", "updating task Account summary"]
    assert "Northlight Energy" in {source["name"] for source in deck.objects("sources")}
    assert len(deck.objects("tasks")) == 1


def test_a_source_that_leaves_the_file_is_not_offered_any_more(app: Flask, tmp_path: Path) -> None:
    synced(app, written(tmp_path, SMALL))
    with app.app_context():
        assert [source.slug for source in Source.all_offered()] == ["acme"]
        assert Task.first().slug == "bill"  # type: ignore[union-attr]


def test_a_destination_that_was_switched_off_is_switched_on_again(app: Flask, deck: Deck) -> None:
    (destination,) = deck.objects("event_destinations")
    destination["status"] = "inactive"
    assert synced(app, cast.CATALOG) == ["the event destination was switched off: switching it on again"]
    assert destination["status"] == "active"


def test_a_fresh_database_adopts_what_deck_has_already(app: Flask, deck: Deck) -> None:
    with app.app_context():
        db.session.connection(execution_options={"writes": True})
        db.session.query(Source).delete()
        db.session.query(Task).delete()
        db.session.commit()
    sources = len(deck.objects("sources"))
    assert synced(app, cast.CATALOG) == []
    assert len(deck.objects("sources")) == sources


def test_the_example_for_operators_is_a_whole_catalog(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", OPERATORS.read_text(), re.DOTALL)
    catalog = read_catalog(written(tmp_path, example))
    assert (len(catalog.sources), len(catalog.tasks)) == (1, 1)


def test_where_it_was_looked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadCatalog, match=f"there is no file {tmp_path}/catalog.toml: docs/operators.md shows one"):
        read_catalog(Path("catalog.toml"))
