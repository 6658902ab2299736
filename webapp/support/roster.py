"""Who is staff, and what changes that: the same rules for the team's page and for the command line."""

from __future__ import annotations

from sqlalchemy import select, update

from ..current import config
from ..db import db, now
from ..deck.reading import clean_text
from ..forms import EMAIL, LONGEST_EMAIL
from ..models import Staff, StaffToken
from ..models.person import same_email
from ..models.staff import ROLES
from . import factors
from .sessions import end_all


class NotAllowed(Exception):
    """The team must not be changed like this. Its text says why."""


def email_in(text: str | None) -> str:
    """An email address as it is kept; `NotAllowed` for anything else."""
    email = same_email(clean_text(text, longest=1_000))
    if not EMAIL.fullmatch(email) or len(email) > LONGEST_EMAIL:
        raise NotAllowed("Enter an email address, such as name@example.com.")
    return email


def role_in(text: str | None) -> str:
    if text not in ROLES:
        raise NotAllowed("Choose one of the roles.")
    return text


def link(token: str) -> str:
    """Where somebody who was invited begins."""
    return f"{config().public_url}/support/welcome/{token}"


def add(email: str, role: str) -> tuple[Staff, str]:
    """Somebody new, and the token of their link. Inside `writing()`."""
    if Staff.by_email(email) is not None:
        raise NotAllowed("Somebody with this address is on the team already.")
    staff = Staff(email=email, role=role)
    db.session.add(staff)
    db.session.flush()
    return staff, begin_anew(staff)


def begin_anew(staff: Staff) -> str:
    """No password, no second factor and no programs until they use this token of a new link. Inside `writing()`."""
    staff.password_hash = None
    staff.failures, staff.failed_at = 0, None
    factors.begin(staff)
    end_everything(staff)
    return staff.invite()


def change_role(staff: Staff, role: str) -> None:
    """Inside `writing()`."""
    if role != "admin":
        keep_an_admin(staff)
    staff.role = role
    end_all(staff)


def disable(staff: Staff) -> None:
    """They are out at once, and so are their programs. Inside `writing()`."""
    keep_an_admin(staff)
    staff.disabled_at, staff.invite_hash, staff.invite_until = now(), None, None
    end_everything(staff)


def end_everything(staff: Staff) -> None:
    """Neither a browser nor a program of theirs gets in any more. Inside `writing()`."""
    end_all(staff)
    tokens = update(StaffToken).filter_by(staff_id=staff.id, revoked_at=None)
    db.session.execute(tokens.values(revoked_at=now()))


def keep_an_admin(staff: Staff) -> None:
    """`NotAllowed` if nobody else could run the team. Two who remove each other wait for each other here."""
    query = select(Staff).where(Staff.role == "admin", Staff.disabled_at.is_(None)).order_by(Staff.id)
    admins = db.session.scalars(query.with_for_update(key_share=True).execution_options(populate_existing=True)).all()
    able = [admin for admin in admins if admin.password_hash is not None or config().oidc_issuer]
    if staff in able and len(able) == 1:
        raise NotAllowed("This is the last admin. Make somebody else an admin first.")
