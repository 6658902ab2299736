"""A new key takes over: everything is sealed again under it, while the app runs and whenever we die."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

import webapp.keys
from tests.people import Deck, Visitor
from tests.test_closing import operator
from webapp.config import Config
from webapp.current import Parts, vault
from webapp.db import db, now, writing
from webapp.keys import SEALED, UNKNOWN, count_by_key, rotate
from webapp.models import Connection, Endpoint, Intent, Run, Staff
from webapp.models.run import output_of
from webapp.vault import Unsealable, Vault

OLD, NEW = ("test", b"0" * 32), ("new", b"1" * 32)
ROOT = Path(__file__).parent.parent
MANY = 7


def starts_with_keys(app: Flask, *keys: tuple[str, bytes]) -> None:
    """As a restart with another VAULT_KEYS does."""
    parts: Parts = app.extensions["gangway"]
    config: Config = dataclasses.replace(parts.config, vault_keys=keys)
    app.extensions["gangway"] = dataclasses.replace(parts, config=config, vault=Vault(keys))


@pytest.fixture
def results(app: Flask, robin: Visitor, deck: Deck, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """A connection with several results, and a run whose input waits to be sent; batches of two."""
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    with app.app_context(), writing():
        first = db.session.scalars(select(Run)).one()
        for number in range(MANY - 1):
            run = Run(
                connect_session=first.connect_session,
                connection=first.connection,
                source=first.source,
                task=first.task,
                status="completed",
                ended_at=now(),
                ref=f"run{number}",
            )
            run.sealed_output = vault().seal({"balance": number}, place=run.output_place)
            db.session.add(run)
        intent = Intent(kind="run.start", connection=first.connection, run=first, key="k", due_at=None)
        intent.sealed_input = vault().seal({"year": 2026}, place=intent.input_place)
        db.session.add(intent)
    monkeypatch.setattr(webapp.keys, "BATCH", 2)
    return app


def everything(app: Flask) -> list[object]:
    with app.app_context():
        outputs: list[object] = [output_of(run, vault()) for run in db.session.scalars(select(Run).order_by(Run.id))]
        intent = db.session.scalars(select(Intent).filter_by(key="k")).one()
        return [*outputs, vault().open(intent.sealed_input or "", place=intent.input_place)]


# --- rotating ----------------------------------------------------------------------------------------------------


def test_everything_is_sealed_again_and_reads_the_same_without_the_old_key(results: Flask) -> None:
    before = everything(results)
    starts_with_keys(results, NEW, OLD)
    told = operator(results, "keys", "rotate", "--dry-run").output
    assert f"key test: {MANY + 1} left" in told and "key new: 0" in told and "removed" not in told
    told = operator(results, "keys", "rotate").output
    assert f"sealed again: {MANY + 1}" in told and "May be removed, once every process" in told and ": test" in told
    starts_with_keys(results, NEW)
    assert everything(results) == before
    with results.app_context():
        assert count_by_key() == {"new": MANY + 1, UNKNOWN: 0}
        assert rotate().sealed_anew == 0, "a second time there is nothing to do"


def test_a_dry_run_changes_nothing(results: Flask) -> None:
    starts_with_keys(results, NEW, OLD)
    operator(results, "keys", "rotate", "--dry-run")
    starts_with_keys(results, OLD)
    assert len(everything(results)) == MANY + 1


def test_a_person_still_sees_their_result(results: Flask, robin: Visitor) -> None:
    starts_with_keys(results, NEW, OLD)
    operator(results, "keys", "rotate")
    starts_with_keys(results, NEW)
    with results.app_context():
        ref = db.session.scalars(select(Connection.ref)).one()
    assert robin.opens(f"/connections/{ref}").status_code == 200
    assert "Balance" in robin.sees()


class PowerCut(BaseException):
    pass


def test_killed_between_two_batches_it_goes_on(results: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(results)
    starts_with_keys(results, NEW, OLD)

    replace = webapp.keys.replace

    def dies(sealed: webapp.keys.Sealed, anew: list[dict[str, object]]) -> int:
        replace(sealed, anew)
        raise PowerCut

    for batch in range(1, 4):
        with monkeypatch.context() as patch, results.app_context(), pytest.raises(PowerCut):
            patch.setattr(webapp.keys, "replace", dies)
            rotate()
        with results.app_context():
            assert count_by_key()["new"] == 2 * batch
            assert everything(results) == before
    with results.app_context():
        assert rotate().sealed_anew == MANY + 1 - 6
    starts_with_keys(results, NEW)
    assert everything(results) == before


def test_what_the_app_writes_meanwhile_stays(results: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading a value and replacing it: a new result, and a settled intent that needs its input no more."""
    starts_with_keys(results, NEW, OLD)
    replace = webapp.keys.replace

    seen: set[str] = set()

    def meanwhile(sealed: webapp.keys.Sealed, anew: list[dict[str, object]]) -> int:
        if sealed.place not in seen:
            seen.add(sealed.place)
            with writing():
                if sealed.name is Intent.key:
                    db.session.execute(update(Intent).where(Intent.key == "k").values(sealed_input=None))
                else:
                    run = db.session.scalars(select(Run).filter_by(ref="run0")).one()
                    run.sealed_output = Vault([OLD]).seal({"balance": "fresh"}, place=run.output_place)
        return replace(sealed, anew)

    with results.app_context():
        with monkeypatch.context() as patch:
            patch.setattr(webapp.keys, "replace", meanwhile)
            rotate()
        run = db.session.scalars(select(Run).filter_by(ref="run0")).one()
        assert output_of(run, vault()) == {"balance": "fresh"}
        assert db.session.scalars(select(Intent.sealed_input).filter_by(key="k")).one() is None
        assert count_by_key()["test"] == 1
        db.session.rollback()
        assert rotate().sealed_anew == 1


def test_values_of_a_key_that_is_gone_are_told_and_left(results: Flask) -> None:
    starts_with_keys(results, NEW)
    done = operator(results, "keys", "rotate")
    assert done.exit_code == 1
    assert f"left as they are: {MANY + 1}" in done.output and f"not in VAULT_KEYS: {MANY + 1}" in done.output
    starts_with_keys(results, OLD)
    assert len(everything(results)) == MANY + 1


# --- what is bound to its place ----------------------------------------------------------------------------------


def test_a_value_moved_to_another_row_or_column_does_not_open(results: Flask) -> None:
    with results.app_context():
        one, other = db.session.scalars(select(Run).order_by(Run.id).limit(2))
        with pytest.raises(Unsealable):
            vault().open(one.sealed_output or "", place=other.output_place)
        intent = db.session.scalars(select(Intent).filter_by(key="k")).one()
        intent.key = one.ref  # even with the same name for the row
        with pytest.raises(Unsealable):
            vault().open(one.sealed_output or "", place=intent.input_place)
        with db.session.no_autoflush:
            db.session.rollback()


def test_a_moved_value_is_not_sealed_into_its_new_place(results: Flask) -> None:
    with results.app_context(), writing():
        value = db.session.scalars(select(Run.sealed_output).filter_by(ref="run0")).one()
        db.session.execute(update(Run).where(Run.ref == "run1").values(sealed_output=value))
    starts_with_keys(results, NEW, OLD)
    with results.app_context():
        assert rotate().stuck == 1


# --- the registry ------------------------------------------------------------------------------------------------


def test_every_sealed_column_is_registered() -> None:
    columns = {
        (table.name, column.name)
        for table in db.metadata.tables.values()
        for column in table.columns
        if "sealed" in column.name
    }
    assert {tuple(sealed.place.split(".")) for sealed in SEALED} == columns


def test_what_seals_writes_into_a_registered_column() -> None:
    """Every call of `seal` in the product is the value of an attribute that the registry has."""
    names = {sealed.column.key for sealed in SEALED}
    places: set[str] = set()
    for path in (ROOT / "webapp").rglob("*.py"):
        if path.name in ("vault.py", "keys.py") or "twin" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and "seal" in calls_in(node.value):
                assert isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr in names, path
                places.add(node.targets[0].attr)
    assert places == names


def calls_in(node: ast.AST) -> set[str]:
    return {
        call.func.attr for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    }


def test_the_registry_names_the_places_the_product_uses() -> None:
    run, intent, endpoint, staff = Run(ref="r"), Intent(key="k"), Endpoint(ref="e"), Staff(ref="s")
    assert [f"{sealed.place}.{name}" for sealed, name in zip(SEALED, "rkees", strict=True)] == [
        run.output_place,
        intent.input_place,
        endpoint.secret_place,
        endpoint.previous_place,
        staff.seed_place,
    ]
    assert [sealed.name.key for sealed in SEALED] == ["ref", "key", "ref", "ref", "ref"]
