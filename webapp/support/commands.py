"""`gangway staff` and `gangway audit`."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..db import db, writing
from ..models import AuditEntry, Staff
from ..models.staff import ROLES
from ..public_ids import public_id
from ..stamps import stamp
from . import roster
from .audit import verify
from .roster import NotAllowed
from .sessions import hold

staff = AppGroup("staff", help="Who may use the support dashboard.")
audit = AppGroup("audit", help="The record of what staff did.")


@staff.command("invite")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), help="What they may do; for somebody new.")
def invite_command(email: str, role: str | None) -> None:
    """Print a link for somebody to set a password and a second factor with: once, within 15 minutes.

    Somebody who is on the team begins anew: what they signed in with is worth nothing any more.
    """
    try:
        address = roster.email_in(email)
        found = Staff.by_email(address)
        if found is None and role is None:
            raise NotAllowed("Say with --role what they may do.")
        if found is not None and (role not in (None, found.role) or not found.is_active):
            raise NotAllowed("They are on the team, with another role or disabled: the team's page changes that.")
        with writing():
            if found is None:
                somebody, token = roster.add(address, role or "")
            else:
                somebody = hold(found.id)
                token = roster.begin_anew(somebody)
            act = "staff_invite" if found is None else "staff_reset"
            AuditEntry.append(act, object=public_id("staff", somebody.ref), details={"role": somebody.role})
    except (NotAllowed, IntegrityError) as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(f"A link for {address}, which works once and for 15 minutes:\n{roster.link(token)}")


@staff.command("list")
def list_command() -> None:
    """Everybody with their role."""
    everybody = db.session.scalars(select(Staff).order_by(Staff.email)).all()
    for one in everybody:
        state = "disabled" if not one.is_active else "active" if one.password_hash else "invited"
        click.echo(f"{one.email}: {one.role}, {state}")
    if not everybody:
        click.echo("There is nobody yet: gangway staff invite EMAIL --role admin")


@staff.command("disable")
@click.argument("email")
def disable_command(email: str) -> None:
    """End somebody's sessions and programs, and let them in no more."""
    found = Staff.by_email(email)
    if found is None:
        raise click.ClickException("there is nobody with this address")
    try:
        with writing():
            somebody = db.session.get_one(Staff, found.id)
            if somebody.is_active:
                roster.disable(somebody)
                AuditEntry.append("staff_disable", object=public_id("staff", somebody.ref))
    except NotAllowed as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo("They are out. Their sessions have ended, and their tokens are worth nothing.")


@audit.command("verify")
@click.option("--seal", help="What an earlier call printed: that entry must be there still.")
def verify_command(seal: str | None) -> None:
    """Walk the whole record and say whether anybody has changed, removed or inserted an entry.

    Whoever may write to the database could cut off the end or write all of it anew. The seal of the last entry,
    kept somewhere else, gives that away.
    """
    count, broken = verify()
    if broken is not None:
        where = f"entry {broken.id} ({broken.act}, {stamp(broken.at)})"
        raise click.ClickException(f"{count} entries hold; {where} does not: it, or what was before it, was changed")
    if seal and db.session.scalar(select(AuditEntry.id).filter_by(digest=seal)) is None:
        raise click.ClickException(f"{count} entries hold, but none has this seal: the end is gone, or all is new")
    last = db.session.scalar(select(AuditEntry.digest).order_by(AuditEntry.id.desc()).limit(1))
    click.echo(f"{count} entries, and all of them hold. The seal of the last one:\n{last or 'none'}")
