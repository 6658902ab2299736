"""Wrong passwords and codes: counted together in the staff row, so that neither a restart nor another address helps."""

from __future__ import annotations

from datetime import timedelta

from ..db import now
from ..models import Staff
from ..public_ids import public_id
from .gate import record

SLOW_FROM = 5
FIRST_WAIT = timedelta(seconds=5)
STOP_AT = 10
STOPPED_FOR = timedelta(minutes=30)


def must_wait(staff: Staff) -> bool:
    """Whether nothing they give is taken now, not even what is right. Nobody is told."""
    return staff.failed_at is not None and now() - staff.failed_at < wait_after(staff.failures)


def wait_after(failures: int) -> timedelta:
    """Twice as long each time, and in the end half an hour."""
    if failures >= STOP_AT:
        return STOPPED_FOR
    return FIRST_WAIT * 2 ** (failures - SLOW_FROM) if failures >= SLOW_FROM else timedelta(0)


def refuse(staff: Staff | None, act: str, why: str, **details: str) -> None:
    """Write down a try that was refused, and count it unless it was not looked at. Inside `writing()`."""
    object = public_id("staff", staff.ref) if staff else ""
    record(act, object, staff=staff, result="refused", details={"why": why, **details})
    if staff is None or why in NOT_COUNTED:
        return
    staff.failures, staff.failed_at = staff.failures + 1, now()
    if staff.failures >= STOP_AT:
        record("lock", object, staff=staff, details={"failures": staff.failures})


NOT_COUNTED = ("waiting", "disabled", "invited")
"""A try that comes while they must wait does not make them wait longer: else anybody could keep them out for good."""


def forgive(staff: Staff) -> None:
    """Both factors were right. Inside `writing()`."""
    staff.failures, staff.failed_at = 0, None
