"""The operators' commands."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, cast

import click
import sqlalchemy
from flask import current_app
from flask.cli import with_appcontext
from flask_migrate.cli import db as migrate_commands
from sqlalchemy.exc import SQLAlchemyError

from ..config import Config
from ..current import config
from ..db import db
from ..models import Source

if TYPE_CHECKING:
    from .doctor import Finding


GRACE = 7.0
"""Seconds a worker that is told to end has for what it is at."""

db_commands = cast(click.Group, migrate_commands)


@db_commands.result_callback()
def say_where(*_: object, **__: object) -> None:
    """After `gangway db …`: which database that was about."""
    click.echo(f"The database is {config().database_place}", err=True)


@click.command()
@click.option("--bind", default="127.0.0.1:5050", show_default=True, help="Address to listen on.")
@click.option("--web", "serves", flag_value="web", help="Only what people use: no webhooks, no worker.")
@click.option("--webhooks", "serves", flag_value="webhooks", help="Only where Deck knocks.")
@click.option("--processes", default=1, show_default=True, help="So many; more than one needs PostgreSQL.")
@with_appcontext
def serve(bind: str, serves: str | None, processes: int) -> None:
    """Serve everything in one process: web app, webhooks and worker. Or one part, and the others elsewhere."""
    settings = config()
    if processes > 1 and not settings.may_have_peers:
        raise click.ClickException("several processes need PostgreSQL: see DATABASE_URL in docs/operators.md")
    refuse_what_cannot_work(settings)
    click.echo(f"The database is {settings.database_place}", err=True)
    os.environ |= {"BIND": bind, "GANGWAY_SERVES": serves or "all", "GANGWAY_PROCESSES": str(processes)}
    os.environ |= {"GANGWAY_OPS": settings.ops_bind, "GANGWAY_DRAIN": str(settings.drain_seconds)}
    if processes > 1 and settings.ops_bind:  # where processes count together
        counts = tempfile.mkdtemp(prefix="gangway-counts-")
        os.environ |= {"PROMETHEUS_MULTIPROC_DIR": counts, "GANGWAY_COUNTS": counts}
    leave_no_core_dump()
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", "python:webapp.serving"])  # noqa: S606


def leave_no_core_dump() -> None:
    """A process that crashes writes its memory to no file: a password may be in it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def refuse_what_cannot_work(settings: Config) -> None:
    """What no waiting mends. A database that is away is no reason: it may come back, and `/readyz` tells."""
    if not settings.catalog.is_file():
        file = settings.catalog.absolute()
        raise click.ClickException(f"CATALOG: there is no file {file}. docs/operators.md shows one.")
    try:
        has_tables = sqlalchemy.inspect(db.engine).has_table(Source.__tablename__)
    except SQLAlchemyError:
        return
    if not has_tables:
        raise click.ClickException(f"{settings.database_place} has no tables: run `gangway db upgrade` first")


@click.command()
@with_appcontext
def worker() -> None:
    """Run only the worker: inbox, refreshes, unfinished writes, what hosts are told, chores."""
    from .. import logs, serving
    from ..worker import Worker
    from . import port

    app = current_app._get_current_object()  # type: ignore[attr-defined]
    leave_no_core_dump()
    logs.start(config().log_format)
    if config().ops_bind:
        port.serve(app, serving.listen(config().ops_bind))
    the_bus = app.extensions["gangway"].bus
    signal.signal(signal.SIGTERM, lambda *_: the_bus.close())
    at_work = threading.Thread(target=Worker(app).run_forever, name="worker", daemon=True)
    at_work.start()
    while at_work.is_alive() and not the_bus.closing:
        at_work.join(0.2)
    if not the_bus.closing:
        sys.exit(1)  # it fell over: whoever looks after us starts us again
    at_work.join(GRACE)
    if at_work.is_alive():  # left as if we were killed: what it was at is due again when its lease is over
        os._exit(0)


@click.command()
@click.option("--json", "wants_json", is_flag=True, help="For programs.")
@with_appcontext
def doctor(wants_json: bool) -> None:
    """Look at everything this installation needs, and say what to do. Exit code 1 when something fails."""
    import httpx

    from . import doctor as office

    with httpx.Client(timeout=5.0, trust_env=False, follow_redirects=False) as http:
        findings = []
        for finding in office.examine(http):
            findings.append(finding)
            if not wants_json:
                tell(finding)
    if wants_json:
        click.echo(json.dumps(office.as_json(findings), indent=1))
    sys.exit(1 if office.has_failed(findings) else 0)


def tell(finding: Finding) -> None:
    mark = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}[finding.status]
    click.echo(f"{mark}  {finding.check:<12} {finding.what}")
    if finding.todo:
        click.echo(f"{'':<19}→ {finding.todo}")
