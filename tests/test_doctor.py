"""The doctor names what is wrong, says what to do, and never shows a secret."""

from __future__ import annotations

import base64
import dataclasses
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.conftest import SECRET, settings
from tests.deck.wire import wire
from tests.people import Deck, Visitor
from webapp import create_app, metrics
from webapp.db import db, writing
from webapp.models import Event, Run, Source
from webapp.ops import doctor
from webapp.ops.commands import doctor as command
from webapp.twin.server import create_twin
from webapp.twin.world import World

pytestmark = pytest.mark.sqlite  # the doctor looks at a database file here


OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, of 32 bytes.....").decode()


@pytest.fixture(autouse=True)
def nobody_has_told_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "known_offset", 0.2)


def findings(app: Flask, *, reaches: Flask | httpx.BaseTransport | None = None) -> dict[str, doctor.Finding]:
    """What the doctor says, by check; the doors it knocks at are those of *reaches*."""
    there = reaches if isinstance(reaches, httpx.BaseTransport) else httpx.WSGITransport(app=reaches or app)
    with app.app_context(), httpx.Client(transport=there) as http:
        return {finding.check: finding for finding in doctor.examine(http)}


def test_a_healthy_installation_is_fine(app: Flask, deck: Deck) -> None:
    deck.our_watchdog_looks()
    assert {check: found.status for check, found in findings(app).items() if found.status != "ok"} == {}


def test_knocking_at_our_own_door_leaves_one_event_however_often(app: Flask) -> None:
    for _ in range(3):
        assert findings(app)["webhook"].status == "ok"
    with app.app_context():
        assert len(db.session.scalars(select(Event)).all()) == 1


def test_a_key_deck_does_not_take(app: Flask, world: World, database_url: str) -> None:
    stranger = create_app(settings(database_url, deck_api_key="sk_live_canary"))
    wire(stranger, httpx.WSGITransport(app=create_twin(world)))
    found = findings(stranger)
    assert (found["key"].status, found["destination"].status) == ("fail", "fail")
    assert "DECK_API_KEY" in found["key"].todo


def test_deck_that_is_away(app: Flask) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way through")

    wire(app, httpx.MockTransport(away))
    assert "DECK_BASE_URL" in findings(app)["key"].todo


def test_an_address_that_lacks_its_end(app: Flask, world: World, database_url: str) -> None:
    lost = create_app(settings(database_url, deck_base_url="http://twin.localhost"))
    wire(lost, httpx.WSGITransport(app=create_twin(world)))
    found = findings(lost)["key"]
    assert found.status == "fail" and "404" in found.what
    assert "DECK_BASE_URL" in found.todo and "DECK_API_KEY" not in found.todo, "the key is not to blame"


def test_which_database_was_looked_at(app: Flask, database_url: str) -> None:
    assert database_url.removeprefix("sqlite:///") in findings(app)["database"].what


def test_a_webhook_that_deck_has_switched_off_or_never_had(app: Flask, world: World) -> None:
    (destination,) = world.stores["event_destinations"].values()
    for change, words in (
        ({"status": "inactive"}, "it is inactive"),
        ({"status": "active", "events": ["task_run.completed"]}, "it lacks 11 kinds of event"),
        (
            {"webhook": {"url": "https://elsewhere.example/webhooks/deck"}},
            "Deck has none for http://localhost/webhooks/deck",
        ),
    ):
        destination.update(change)
        found = findings(app)["destination"]
        assert (found.what, found.status != "ok") == (words, True)
        assert "gangway deck sync" in found.todo


def test_an_app_that_runs_with_another_secret(app: Flask, database_url: str) -> None:
    changed = create_app(settings(database_url, deck_webhook_secrets=(OTHER_SECRET,)))
    wire(changed, app.extensions["gangway"].deck._http._transport)
    found = findings(changed, reaches=app)["webhook"]
    assert found.status == "fail" and "restart" in found.todo


@pytest.mark.parametrize(
    ("status", "advice"), [(404, "proxy"), (301, "redirects"), (503, "database"), (500, "log"), (400, "PUBLIC_URL")]
)
def test_a_door_that_is_not_ours(app: Flask, status: int, advice: str) -> None:
    found = findings(app, reaches=httpx.MockTransport(lambda request: httpx.Response(status)))["webhook"]
    assert found.status == "fail" and advice in found.todo


def test_a_door_that_cannot_be_reached_from_here_is_no_failure(app: Flask) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    found = findings(app, reaches=httpx.MockTransport(nobody))["webhook"]
    assert found.status == "warn" and "from outside" in found.todo


@pytest.mark.parametrize(("off", "status"), [(-3.0, "ok"), (30.0, "warn"), (-299.0, "fail"), (None, "warn")])
def test_a_clock_that_is_wrong(app: Flask, monkeypatch: pytest.MonkeyPatch, off: float | None, status: str) -> None:
    monkeypatch.setattr(metrics, "known_offset", off)
    assert findings(app)["clock"].status == status


def test_a_database_without_tables_and_one_of_yesterday(tmp_path: Path, app: Flask, database_url: str) -> None:
    empty = create_app(settings(f"sqlite:///{tmp_path / 'empty.sqlite3'}"))
    wire(empty, app.extensions["gangway"].deck._http._transport)
    found = findings(empty, reaches=app)
    assert (found["database"].status, found["database"].todo) == ("fail", "Run `gangway db upgrade`.")
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    assert (findings(app)["migrations"].status, findings(app)["migrations"].what) == ("fail", "behind")


def test_a_catalog_that_is_wrong_or_not_applied(app: Flask, database_url: str, tmp_path: Path) -> None:
    with app.app_context(), writing():
        db.session.execute(update(Source).where(Source.slug == "northlight-power").values(offered=False))
    assert "gangway deck sync" in findings(app)["catalog"].todo
    (tmp_path / "broken.toml").write_text("sources = 7")
    broken = create_app(settings(database_url, catalog=tmp_path / "nothing.toml"))
    wire(broken, app.extensions["gangway"].deck._http._transport)
    assert findings(broken)["catalog"].status == "fail"


def test_a_vault_key_that_is_gone(app: Flask, robin: Visitor, deck: Deck, database_url: str) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    assert findings(app)["vault keys"].status == "ok"
    with app.app_context():
        assert db.session.scalars(select(Run)).one().sealed_output
    forgetful = create_app(settings(database_url, vault_keys=(("new", b"1" * 32),)))
    wire(forgetful, app.extensions["gangway"].deck._http._transport)
    found = findings(forgetful)["vault keys"]
    assert (found.status, "key test" in found.what) == ("fail", True)


def test_redis_that_is_away(app: Flask, database_url: str) -> None:
    alone = create_app(settings(database_url, redis_url="redis://127.0.0.1:1"))
    wire(alone, app.extensions["gangway"].deck._http._transport)
    assert findings(alone)["redis"].status == "warn"


def test_processes_that_cannot_see_each_other(app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(app)["redis"].what == "not used"
    apart = settings("postgresql+psycopg://nobody@127.0.0.1:1/x")
    parts = dataclasses.replace(app.extensions["gangway"], config=apart)
    monkeypatch.setitem(app.extensions, "gangway", parts)
    found = findings(app)["redis"]
    assert "a third" in found.what and "REDIS_URL" in found.todo


def test_no_worker_at_work(app: Flask, deck: Deck, later: Callable[..., None]) -> None:
    assert "gangway worker" in findings(app)["worker"].todo
    deck.our_watchdog_looks()
    assert findings(app)["worker"].status == "ok"
    later(minutes=10)
    assert findings(app)["worker"].status == "warn"


def test_webhooks_the_running_app_has_refused(app: Flask, database_url: str) -> None:
    refusals = {"webhooks_refused": {"clock": {"count": 3, "seconds_ago": 7}}}
    watched = create_app(settings(database_url, ops_bind="127.0.0.1:9464"))
    wire(watched, app.extensions["gangway"].deck._http._transport)
    there = httpx.MockTransport(lambda request: httpx.Response(200, json=refusals))
    found = findings(watched, reaches=there)["refused"]
    assert found.status == "warn" and found.what.startswith("clock: 3")


def test_the_command_says_it_in_lines_or_json_and_never_a_secret(
    app: Flask, world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (destination,) = world.stores["event_destinations"].values()
    monkeypatch.setattr(doctor, "CHECKS", [*doctor.CHECKS, breaks])
    words = app.test_cli_runner().invoke(command, [])
    assert words.exit_code == 1, "one check broke"
    assert "FAIL  breaks" in words.output
    monkeypatch.setattr(doctor, "CHECKS", [doctor.key, doctor.destination, doctor.catalog])
    told = app.test_cli_runner().invoke(command, ["--json"])
    assert told.exit_code == 0
    assert {check["status"] for check in json.loads(told.output)["checks"]} == {"ok"}
    destination["status"] = "inactive"
    assert app.test_cli_runner().invoke(command, ["--json"]).exit_code == 1
    for secret in ("sk_live", SECRET, SECRET.removeprefix("whsec_"), "0123456789abcdefghijklmnopqrstuvwxyz", "canary"):
        assert secret not in words.output + told.output


def breaks(http: httpx.Client) -> None:
    raise RuntimeError("canary")
