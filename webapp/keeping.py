"""`gangway person` and `gangway keys`: what operators do about what is kept."""

from __future__ import annotations

import click
from flask.cli import AppGroup

person = AppGroup("person", help="People's accounts here.")
keys = AppGroup("keys", help="The keys that seal what is kept.")


@person.command("delete")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_command(email: str, yes: bool) -> None:
    """Delete somebody's account, all their sign-ins at Deck and everything that was read with them.

    The worker does it, and tries until Deck confirms. Call it again to see how far it is.
    """
    from sqlalchemy import func, select

    from .closing import close_account
    from .db import db
    from .models import Connection, Person

    found = Person.by_email(email)
    if found is None:
        click.echo("There is no account with this address.")
        return
    kept = db.session.scalar(select(func.count()).where(Connection.person_id == found.id)) or 0
    if found.closing_at is None:
        if not yes:
            click.confirm(f"Delete this account and its {kept} connections for good?", abort=True)
        close_account(found.id)
        click.echo("It is closed: nobody signs in any more. The worker deletes everything, which takes some minutes.")
    else:
        since = f"{found.closing_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"It is being deleted since {since}; connections Deck has not confirmed yet: {kept}.")


@person.command("password-link")
@click.argument("email")
def password_link_command(email: str) -> None:
    """Make a link with which somebody who forgot their password chooses a new one. It works once, for a day.

    Whoever has it gets into the account: be sure who asks, and give it to nobody else.
    """
    from .forgotten import link_for
    from .models import Person

    found = Person.by_email(email)
    if found is None or found.closing_at is not None:
        raise click.ClickException("there is no account with this address, or it is being deleted")
    click.echo(link_for(found))


@keys.command("rotate")
@click.option("--dry-run", is_flag=True, help="Change nothing, only count by key.")
def rotate_command(dry_run: bool) -> None:
    """Seal everything again under the first key of VAULT_KEYS, while the app runs. May be stopped and started again."""
    from .current import vault
    from .keys import UNKNOWN, count_by_key, rotate

    if not dry_run:
        done = rotate()
        click.echo(f"sealed again: {done.sealed_anew}")
        if done.stuck:
            click.echo(f"could not be opened, and left as they are: {done.stuck}", err=True)
    left = count_by_key()
    for id, count in left.items():
        what = "sealed by the first key" if id == vault().current else "left"
        if id != UNKNOWN:
            click.echo(f"key {id}: {count} {what}")
        elif count:
            click.echo(f"keys that are not in VAULT_KEYS: {count}. These values are lost without them.", err=True)
    old = [id for id, count in left.items() if not count and id not in (vault().current, UNKNOWN)]
    if old:
        click.echo(f"May be removed, once every process has started with {vault().current} first: {', '.join(old)}")
    if sum(left.values()) > left[vault().current] and not dry_run:
        raise click.ClickException("some values are still sealed by other keys: run it again")
