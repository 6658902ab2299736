"""`gangway host …`: the companies whose people connect accounts through this installation."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from ..current import vault
from ..db import db, writing
from ..models import Endpoint, Host, HostKey, Invitation
from .facts import BadHost, allowed, new_host

OPTIONS = {"name": "NAME", "origins": "--origin", "return_urls": "--return-url", "sources": "--source"}
"""Where a host's facts come from."""

group = AppGroup("host", help="The companies whose people connect accounts here.")


@group.command("add")
@click.argument("name")
@click.option("--return-url", "return_urls", multiple=True, help="Where people may be sent back to, letter for letter.")
@click.option("--origin", "origins", multiple=True, help="Where its pages come from, such as https://shop.example.")
@click.option("--source", "sources", multiple=True, help="A source it may offer; without any, all of them.")
@click.option("--test", "is_test", is_flag=True, help="May use plain http on this machine.")
def add(
    name: str, return_urls: tuple[str, ...], origins: tuple[str, ...], sources: tuple[str, ...], is_test: bool
) -> None:
    """Add a host and print its first secret key, once."""
    try:
        host = new_host(name, origins=origins, return_urls=return_urls, sources=sources, is_test=is_test)
        with writing():
            db.session.add(host)
            db.session.flush()
            key = HostKey.issue(host)
    except BadHost as error:
        raise click.BadParameter(str(error), param_hint=OPTIONS[error.name]) from error
    except IntegrityError as error:
        raise click.ClickException(f"there is a host {name} already") from error
    click.echo(f"{name} was added. Its secret key, which nobody can read again:\n{key}")


@group.command("key")
@click.argument("name")
@click.option("--revoke", help="Instead: end the key with this ending, and the links it made that nobody has opened.")
def key(name: str, revoke: str | None) -> None:
    """Print a new secret key; the others go on until they are revoked."""
    host = find(name)
    if revoke is None:
        with writing():
            new = HostKey.issue(host)
        click.echo(new)
        return
    with writing():
        ended = [k for k in host.keys if k.ending == revoke and k.revoked_at is None]
        links = sum(Invitation.revoke_key(one) for one in ended)
    if not ended:
        raise click.ClickException(f"{name} has no valid key that ends in {revoke}")
    click.echo(f"…{revoke} is worth nothing any more. Links that ran out with it, as nobody had opened them: {links}")


@group.command("webhook")
@click.argument("name")
@click.option("--url", help="Where its events go from now on; https, and at a public address.")
@click.option("--rotate-secret", is_flag=True, help="A new secret; the old one signs beside it for 24 hours.")
@click.option("--resume", is_flag=True, help="It works again: what waits goes out now.")
def webhook(name: str, url: str | None, rotate_secret: bool, resume: bool) -> None:
    """Set up a host's webhook, or show how it is doing. A new secret is printed once."""
    host = find(name)
    if url is not None and not is_webhook_url(url, is_test=host.is_test):
        raise click.BadParameter(f"{url} is no https address", param_hint="--url")
    endpoint, secret = Endpoint.of(host.id), ""
    if endpoint is None and url is None:
        raise click.ClickException(f"{name} has no webhook: give --url")
    with writing():
        if endpoint is None:
            secret = Endpoint.set_up(host, url or "", vault())
        else:
            if url is not None:
                endpoint.url = url
            if rotate_secret:
                secret = endpoint.rotate(vault())
            if resume or url is not None:
                endpoint.resume()
    endpoint = Endpoint.of(host.id)
    assert endpoint is not None
    click.echo(f"{name}: {endpoint.url}, {how_it_does(endpoint)}")
    if secret:
        click.echo(f"Its secret, which nobody can read again:\n{secret}")


def how_it_does(endpoint: Endpoint) -> str:
    if endpoint.paused_at is not None:
        return f"paused since {day(endpoint.paused_at)}: it failed for a day"
    return f"failing since {day(endpoint.failing_since)}" if endpoint.failing_since else "working"


def is_webhook_url(url: str, *, is_test: bool) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and not ("@" in parts.netloc or parts.fragment)
    return bool(host) and is_plain and len(url) <= 2_000 and allowed(url, is_test=is_test)


@group.command("list")
def list_() -> None:
    """All hosts with the endings of their keys."""
    for host in db.session.scalars(select(Host).order_by(Host.name).options(selectinload(Host.keys))):
        valid = ", ".join(f"…{k.ending}" for k in host.keys if k.revoked_at is None) or "none"
        click.echo(f"{host.name}{' (test)' if host.is_test else ''}: since {day(host.created_at)}, keys {valid}")


def find(name: str) -> Host:
    host = db.session.scalar(select(Host).filter_by(name=name))
    if host is None:
        raise click.ClickException(f"there is no host {name}")
    return host


def day(moment: datetime) -> str:
    return moment.date().isoformat()
