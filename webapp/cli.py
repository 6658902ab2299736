"""The `gangway` command.

A twin is to be there at once, so what only the web app needs is imported when one of its commands is called.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

import click
from flask import Flask
from flask.cli import FlaskGroup

from . import create_app
from .config import BadSetting

FILE: Any = click.Path(dir_okay=False, path_type=Path)
ROOMS = {
    "audit": "support.commands:audit",
    "db": "ops.commands:db_commands",
    "doctor": "ops.commands:doctor",
    "host": "hosts.commands:group",
    "keys": "keeping:keys",
    "person": "keeping:person",
    "serve": "ops.commands:serve",
    "staff": "support.commands:staff",
    "worker": "ops.commands:worker",
}
"""Where the commands live that are not here: with what they are about."""


def make_app() -> Flask:
    try:
        return create_app(beside_others=True)
    except BadSetting as error:
        raise click.ClickException(f"{error}. See docs/operators.md.") from error


class Commands(FlaskGroup):
    """Flask's, but for this: which commands there are has nothing to do with whether the settings are right."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ROOMS:
            return click.Group.get_command(self, context, name)
        module, _, command = ROOMS[name].partition(":")
        return cast(click.Command, getattr(import_module(f".{module}", __package__), command))

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*click.Group.list_commands(self, context), *ROOMS])


@click.group(cls=Commands, create_app=make_app, add_version_option=False)
def cli() -> None:
    """The connect flow for Deck v2. `gangway demo` shows everything."""


@cli.group()
def deck() -> None:
    """The Deck account behind this installation."""


@deck.command("sync")
def sync_command() -> None:
    """Apply the catalog to the Deck account and put our webhook in order."""
    from .catalog import BadCatalog, read_catalog
    from .current import config
    from .deck import DeckError
    from .sync import sync

    try:
        sync(read_catalog(config().catalog), click.echo)
    except (BadCatalog, DeckError) as error:
        raise click.ClickException(str(error)) from error
    click.echo("Deck matches the catalog.")


@cli.group(invoke_without_command=True)
@click.option("--port", default=8801, show_default=True)
@click.option("--api-key", default="sk_live_twin", show_default=True, help="The vendor key it accepts.")
@click.option("--admin-key", default="twa_twin", show_default=True, help="The key of its control plane.")
@click.option("--seed", help="What all its ids and values are derived from.")
@click.option("--t0", help="When its time starts, as ISO-8601 with a zone; with --realtime, now.")
@click.option("--realtime/--frozen", default=True, help="Whether time passes by itself.")
@click.option("--workers", default=1, show_default=True, help="So many separate worlds, on ports that follow.")
@click.option("--fixture", type=FILE, help="A file of objects to begin with, as POST /__admin__/seed takes them.")
@click.option("--scenario", "scenarios", multiple=True, help="A scenario that holds from the start. Repeatable.")
@click.option("--personas", is_flag=True, help="Usernames such as mfa_code@twin act out the scenario they name.")
@click.option("--demo-sites", is_flag=True, help="With the demo's websites and the people who have accounts there.")
@click.option("--log", type=FILE, help="Record the session in this new file, for `gangway twin replay`.")
@click.option("--allow-host", multiple=True, help="A host other than this machine that events may be sent to.")
@click.pass_context
def twin(
    context: click.Context,
    port: int,
    api_key: str,
    admin_key: str,
    seed: str | None,
    t0: str | None,
    realtime: bool,
    workers: int,
    fixture: Path | None,
    scenarios: tuple[str, ...],
    personas: bool,
    demo_sites: bool,
    log: Path | None,
    allow_host: tuple[str, ...],
) -> None:
    """Serve a local Deck: the vendor's API, and a control plane that makes anything happen."""
    if context.invoked_subcommand:
        return
    from .twin import staging
    from .twin.clock import parse_moment
    from .twin.scenarios import personas as known_personas
    from .twin.world import World

    try:
        start = parse_moment(t0) if t0 else datetime.now(UTC) if realtime else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--t0") from error
    if log and workers > 1:
        raise click.BadParameter("a log is of one world: leave --workers out", param_hint="--log")

    packs = []

    def prepare(there: Any) -> None:
        packs.append(there.call("GET", "/")["pack"])
        if demo_sites:
            set_up_demo_sites(there)
        if fixture:
            staging.seed_from(there, fixture)
        staging.apply_scenarios(there, scenarios)
        if personas:
            staging.bind_personas(there)

    stops = []
    for number in range(port, port + workers):
        world = World(api_key=api_key, admin_key=admin_key, seed=seed, t0=start)
        try:
            stops.append(serve_twin(world, number, realtime=realtime, allow_hosts=allow_host, log=log, prepare=prepare))
        except staging.CannotStage as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"url=http://127.0.0.1:{number}/v2 api_key={api_key} admin_key={admin_key} pack={packs[-1]}")
    for username, about in known_personas().items() if personas else ():
        click.echo(f"  {username:<28}{about}")
    wait_for_the_end(lambda: [stop() for stop in stops])


@twin.command("replay", with_appcontext=False)
@click.argument("log", type=FILE)
def replay_command(log: Path) -> None:
    """Run a recorded session again in a fresh world, and print the hash of what it comes to."""
    from .twin.replay import Diverged, Replay

    try:
        with log.open(encoding="utf-8") as lines:
            session = Replay(lines)
        state_hash = session.run()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{log} cannot be read") from error
    except Diverged as error:
        raise click.ClickException(f"{log}, {error}") from error
    click.echo(state_hash)
    if session.recorded_hash not in (None, state_hash):
        raise click.ClickException(f"the recorded world ended as {session.recorded_hash}")


@cli.command(with_appcontext=False)
@click.option(
    "--port", default=5050, show_default=True, help="The app's; the twin and a sample company take the next two."
)
def demo(port: int) -> None:
    """Everything at once, on throw-away data: app, worker and a local Deck with fictional websites."""
    from .demo import show
    from .twin.world import World

    wait_for_the_end(show.run(port, world=World(t0=datetime.now(UTC)), serve_app=serve_wsgi, serve_twin=serve_twin))


# --- serving several things in one process ---------------------------------------------------------------------


def serve_wsgi(app: Any, port: int) -> Callable[[], None]:
    """Serve *app* on loopback in the background; the returned function ends it."""
    import socket

    from gevent.pywsgi import WSGIHandler, WSGIServer

    class Handler(WSGIHandler):  # type: ignore[misc]
        """Lets the app reach its connection: a twin's faults cut it (webapp/twin/line.py)."""

        def get_environ(self) -> Any:
            environ = super().get_environ()
            environ["gevent.socket"] = self.socket
            return environ

    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        raise click.ClickException(
            f"port {port} is taken: give another one with --port (make demo PORT=6060)"
        ) from error
    # Without this, a keep-alive page takes 44 ms: Nagle's algorithm waits for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = WSGIServer(listener, app, log=None, handler_class=Handler)
    server.start()

    def stop() -> None:
        server.stop(timeout=1)

    return stop


def serve_twin(
    world: Any,
    port: int,
    *,
    realtime: bool,
    allow_hosts: tuple[str, ...] = (),
    log: Path | None = None,
    prepare: Callable[[Any], object] = lambda twin: None,
) -> Callable[[], None]:
    """Serve a twin's world on loopback in the background, time passing; the returned function ends it.

    *prepare* is given a client of it before anybody else can call.
    """
    import httpx

    from .twin.client import Twin
    from .twin.server import Running

    world.clock.mode = "realtime" if realtime else "frozen"
    file = new_file(log) if log else None
    running = Running(world, allow_hosts=allow_hosts, log=file)
    transport = httpx.WSGITransport(running.app)
    try:
        with Twin("http://twin.localhost", admin_key=world.admin_key, transport=transport) as there:
            prepare(there)
        stop_server = serve_wsgi(running.app, port)
    except BaseException:
        if log and file:
            file.close()
            log.unlink()  # of a session that never was
        raise
    running.start()

    def stop() -> None:
        stop_server()
        running.stop()

    return stop


def set_up_demo_sites(there: Any) -> None:
    """As `cast.furnish` does, by control calls, so that a log of the session holds them."""
    from .demo import cast

    there.clock.set_durations(**cast.PACE)
    for site in cast.sites():
        there.call("POST", "/sites", {name: value for name, value in site.items() if name != "shows"})


def new_file(path: Path) -> TextIO:
    """*path*, opened to be written, for its owner only. One that is there already is left alone."""
    try:
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except FileExistsError as error:
        raise click.ClickException(f"{path} is there already: name a new file with --log") from error
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error


def wait_for_the_end(stop: Callable[[], object]) -> None:
    """Until Ctrl-C or SIGTERM; then *stop*."""
    import threading

    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    while not end.wait(3600):
        pass
    stop()


def main() -> None:
    cli(prog_name="gangway")
