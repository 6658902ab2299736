"""`gangway demo`: sets the stage in a throw-away folder, serves it, and says where to click."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask_migrate import upgrade

from .. import create_app, logs
from ..catalog import read_catalog
from ..config import Config
from ..db import db, now, writing
from ..hosts.facts import new_host
from ..intents import hand_over_sign_in, start_run
from ..models import ConnectSession, Endpoint, Host, HostKey, Person, Source, Task
from ..serving import start_beside
from ..sync import sync
from ..worker import Worker
from . import cast, desk, sample_host
from .settings import settings_for, write_for_shells

EMAIL, PASSWORD = "robin@sample.example", "gangway demo robin"
OWN_COMPANY, OWN_ORIGIN = "Your company", "http://localhost:3000"
"""Whoever tries the API has a host ready, and its pages where servers in development often are."""

SETTINGS = "settings.sh"

Stop = Callable[[], None]


def run(port: int, *, world: Any, serve_app: Callable[[Any, int], Stop], serve_twin: Callable[..., Stop]) -> Stop:
    """Serve the whole product on *port*, its Deck and a sample company on the next two; the answer ends it all."""
    folder = Path(tempfile.mkdtemp(prefix="gangway-demo-"))
    settings = settings_for(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}/v2", world.api_key, folder)
    settings["OPERATOR_NAME"] = "Harbourlight Budget"
    write_for_shells(settings, folder / SETTINGS)
    app = create_app(Config.from_env(settings))
    logs.start("text", level=logging.WARNING, fd=2)  # where to click should stay in sight
    cast.furnish(world)
    stops: list[Stop] = [lambda: shutil.rmtree(folder, ignore_errors=True)]
    try:
        stops.append(serve_twin(world, port + 1, realtime=False))
        stops.append(serve_app(app, port))
        codes = set_the_stage(app, world)
        stops.append(serve_app(company(app, port), port + 2))
        key = own_company(app)
        stops.append(start_beside(app))
    except BaseException:
        stop_all(stops)
        raise
    tell(port, folder, codes=codes, key=key, admin_key=world.admin_key)
    return lambda: stop_all(stops)


def stop_all(stops: list[Stop]) -> None:
    for stop in reversed(stops):
        stop()


def set_the_stage(app: Flask, world: Any) -> list[str]:
    """Migrate, sync, and let Robin have connected two accounts already: by the product's own doing.

    Returns codes with which somebody comes in at the support desk.
    """
    with app.app_context():
        upgrade()
        sync(read_catalog(cast.CATALOG), lambda step: None)
        codes = desk.open_desk()
        desk.remember_a_fortnight()
        person = Person.sign_up(EMAIL, PASSWORD)
        with writing():
            db.session.add(person)
        connect(person.id, "northlight-power", "robin@sample.example", "bright-light-7")
        connect(person.id, "stillwater-trust", "robin", "runs-deep-6")
    worker = Worker(app)
    with world.lock:
        world.pass_time(world.clock.now + world.clock.span("run_settle") * 20)
        world.clock.mode = "realtime"
    worker.step()
    return codes


def company(app: Flask, port: int) -> Flask:
    """A company the operator has agreed with, and its website: another origin, and another site."""
    origin = f"http://localhost:{port + 2}"
    with app.app_context(), writing():
        host = Host(name=sample_host.NAME, is_test=True, origins=[origin], return_urls=[f"{origin}/back"])
        db.session.add(host)
        db.session.flush()
        key = HostKey.issue(host)
        secret = Endpoint.set_up(host, f"{origin}/webhooks/gangway", app.extensions["gangway"].vault)
    gangway = sample_host.Gangway(f"http://127.0.0.1:{port}", key)
    return sample_host.create_sample_host(gangway, secret, origin)


def own_company(app: Flask) -> str:
    """One for whoever tries the API; its secret key."""
    with app.app_context(), writing():
        host = new_host(
            OWN_COMPANY, origins=[OWN_ORIGIN], return_urls=[f"{OWN_ORIGIN}/connected"], sources=[], is_test=True
        )
        db.session.add(host)
        db.session.flush()
        return HostKey.issue(host)


def connect(person_id: int, slug: str, username: str, password: str) -> None:
    """One visit to the flow, without a browser."""
    with writing():
        source, task = Source.by_slug(slug), Task.first()
        assert source is not None
        session = ConnectSession(person_id=person_id, source=source, task=task, consented_at=now())
        db.session.add(session)
    hand_over_sign_in(session, source, username=username, password=password, source_fields={}, form=session.ref)
    start_run(session, input=None, form=f"{session.ref}.r")


def tell(port: int, folder: Path, *, codes: list[str], key: str, admin_key: str) -> None:
    """Where to click, and which sign-in shows what; *codes* are for the desk, one each time."""
    rows = []
    names = {source.url.split("/")[2]: source.name for source in read_catalog(cast.CATALOG).sources}
    for site in cast.sites():
        person = site["people"][0]
        rows.append((names[site["host"]], person["username"], person["password"], site["shows"]))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    click.echo(f"\n  Gangway is on  http://127.0.0.1:{port}\n")
    click.echo(f"  A company that embeds it is on  http://localhost:{port + 2}   ({sample_host.NAME}; no sign-in)\n")
    click.echo(f'  Sign in as  {EMAIL}  with  "{PASSWORD}"  or create an account. Then connect:\n')
    for row in rows:
        columns = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False))
        click.echo(f"  {columns}  {row[3]}")
    click.echo(
        f'\n  Support sits at  http://127.0.0.1:{port}/support : sign in as  {desk.EMAIL}  with  "{desk.PASSWORD}"'
    )
    click.echo(f"  and one of these codes, each good once:  {'  '.join(codes[:5])}")
    click.echo(f"\n  Its Deck shows itself at  http://127.0.0.1:{port + 1}/__admin__/ui : the key is  {admin_key}")
    click.echo(f'\n  For a company of your own there is "{OWN_COMPANY}", with pages on  {OWN_ORIGIN} :')
    click.echo(f"  its secret key is  {key}  and in another shell")
    click.echo(f"    . {folder / SETTINGS}")
    click.echo(f'    gangway host webhook "{OWN_COMPANY}" --url {OWN_ORIGIN}/webhooks')
    click.echo("  gives it a webhook. There every other `gangway` command is about this demo too.")
    click.echo(f"\n  Any other password is refused. All data is in {folder} and goes when you press Ctrl-C.\n")
