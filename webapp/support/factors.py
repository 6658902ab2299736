"""The second factor: time-based codes, each good once, and recovery codes."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from dataclasses import dataclass

import pyotp
import segno
from sqlalchemy import update

from ..current import config, vault
from ..db import changed_one
from ..models import Staff
from ..models.browser_session import hashed

STEP = 30
"""Seconds a code is shown for; the one before and the one after are taken too, for clocks that differ."""
RECOVERY_CODES = 10
LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""None looks like another. Sixteen of them are more than anybody can guess, so a plain hash keeps them."""
QUIET_ZONE = 4


@dataclass(frozen=True)
class Picture:
    """A QR code: its size in modules, and an SVG path of the dark ones."""

    size: int
    path: str


def begin(staff: Staff) -> None:
    """A new seed; codes of an older one are worth nothing any more. Inside `writing()`, once the row has its name."""
    staff.sealed_seed = vault().seal(pyotp.random_base32(), place=staff.seed_place)
    staff.last_step, staff.recovery = 0, []


def seed(staff: Staff) -> str:
    """What an authenticator app needs to know."""
    return str(vault().open(staff.sealed_seed or "", place=staff.seed_place))


def picture(staff: Staff) -> Picture:
    """The seed for an app to scan."""
    app = pyotp.TOTP(seed(staff), name=staff.email, issuer=f"{config().operator_name} support")
    rows = list(segno.make(app.provisioning_uri(), error="m", micro=False).matrix_iter(border=QUIET_ZONE))
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
    return Picture(len(rows), "".join(dark))


def spend(staff: Staff, typed: str) -> str:
    """Use up a code: `password` if it came from their app, `recovery` if it was one of those, "" if it is no good.

    The words are those of `StaffSession.method`. Inside `writing()`.
    """
    code = bare(typed)
    if staff.sealed_seed is None:
        return ""
    if spend_step(staff, code):
        return "password"
    return "recovery" if spend_recovery(staff, code) else ""


def spend_step(staff: Staff, code: str) -> bool:
    """Whether *code* is their app's, now, and neither it nor a later one was used before."""
    app, this = pyotp.TOTP(seed(staff)), int(time.time()) // STEP
    for step in (this - 1, this, this + 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), code.encode()):
            unused = update(Staff).where(Staff.id == staff.id, Staff.last_step < step)
            return changed_one(unused.values(last_step=step), staff)
    return False


def spend_recovery(staff: Staff, code: str) -> bool:
    left = [kept for kept in staff.recovery if not hmac.compare_digest(kept, hashed(code))]
    was_there = len(left) < len(staff.recovery)
    staff.recovery = left
    return was_there


def new_recovery_codes(staff: Staff) -> list[str]:
    """Ten new ones instead of those that are left: told once, then nobody can read them again. Inside `writing()`."""
    codes = ["".join(secrets.choice(LETTERS) for _ in range(16)) for _ in range(RECOVERY_CODES)]
    staff.recovery = [hashed(code) for code in codes]
    return ["-".join(re.findall("....", code)) for code in codes]


def bare(typed: str) -> str:
    """A code without the spaces and dashes people copy along."""
    return re.sub(r"[\s\-\u2010-\u2015]", "", typed[:100]).upper()
