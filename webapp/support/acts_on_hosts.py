"""What staff may do about what hosts are told, and about hosts themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import IntegrityError

from ..db import db, now
from ..hosts.facts import BadHost, new_host
from ..limits import BULK_ACTS_PER_STAFF
from ..models import Delivery, Endpoint, Host, HostKey, Invitation
from .acts import Act, Asked, CannotNow, Done, Handout, Mistyped, many

AT_ONCE = 1_000
PAUSED = "The host's webhook is paused, because it failed for a day. Resume it first."


def a_day_ago() -> str:
    return (now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")


class Resend(Act):
    name, title, button = "resend", "Send it again", "Resend"
    kinds = ("delivery",)

    def why_not(self, it: Delivery) -> str:
        return PAUSED if it.endpoint.paused_at is not None else ""

    def plan(self, it: Delivery, given: dict[str, Any]) -> list[str]:
        before = "It was delivered before, so they get it twice. " if it.state == "delivered" else ""
        return [f"One event goes to {it.endpoint.host.name} once more. {before}Its id is the same, so they can tell."]

    def do(self, it: Delivery, given: dict[str, Any]) -> Done:
        was = it.state
        it.resend()
        return Done("It is on its way again.", {"was": was})


class Recover(Act):
    name, title, button = "recover", "Send again what failed", "Resend what failed"
    kinds = ("host",)
    role = "lead"
    is_fresh = True
    limit = BULK_ACTS_PER_STAFF
    asks = (Asked("since", "Since (UTC)", "moment", default=a_day_ago, comes_first=True),)

    def why_not(self, it: Host) -> str:
        endpoint = Endpoint.of(it.id)
        if endpoint is None:
            return "This host has no webhook."
        return PAUSED if endpoint.paused_at is not None else ""

    def plan(self, it: Host, given: dict[str, Any]) -> list[str]:
        count = db.session.scalar(select(func.count()).select_from(Delivery).where(*self._failed(it, given))) or 0
        if not count:
            raise CannotNow("Nothing failed since then.")
        said = [f"{many(count, 'delivery', 'deliveries')} that failed since then go to {it.name} again, one by one."]
        if count > AT_ONCE:
            said.append(f"The oldest {AT_ONCE:,} of them first; do it again for the others.")
        return [*said, "Their ids are the same, so the host can tell what it has seen."]

    def do(self, it: Host, given: dict[str, Any]) -> Done:
        some = select(Delivery.id).where(*self._failed(it, given)).order_by(Delivery.id).limit(AT_ONCE)
        again = update(Delivery).where(Delivery.id.in_(some.scalar_subquery()))
        again = again.values(state="pending", tries=0, due_at=now(), settled_at=None)
        done = db.session.execute(again.execution_options(synchronize_session=False))
        count = int(getattr(done, "rowcount", 0))
        if not count:
            raise CannotNow("Nothing failed since then.")
        details = {"count": count, "since": given["since"].isoformat()}
        return Done(f"{many(count, 'delivery is', 'deliveries are')} on the way again.", details)

    @staticmethod
    def _failed(it: Host, given: dict[str, Any]) -> tuple[ColumnElement[bool], ...]:
        theirs = select(Endpoint.id).where(Endpoint.host_id == it.id).scalar_subquery()
        return Delivery.endpoint_id == theirs, Delivery.state == "failed", Delivery.created_at >= given["since"]


class Resume(Act):
    name, title, button = "resume", "Resume the webhook", "Resume webhook"
    kinds = ("host",)
    role = "lead"
    is_fresh = True

    def why_not(self, it: Host) -> str:
        endpoint = Endpoint.of(it.id)
        if endpoint is None:
            return "This host has no webhook."
        return "" if endpoint.paused_at is not None else "It is not paused."

    def plan(self, it: Host, given: dict[str, Any]) -> list[str]:
        waiting = select(func.count()).select_from(Delivery).join(Endpoint)
        count = db.session.scalar(waiting.where(Endpoint.host_id == it.id, Delivery.due_at.is_not(None))) or 0
        going = many(count, "waiting delivery goes", "waiting deliveries go")
        return [
            f"We call {it.name}'s webhook again. {going} out now.",
            "If it fails for another day, it is paused again.",
        ]

    def do(self, it: Host, given: dict[str, Any]) -> Done:
        endpoint = Endpoint.of(it.id)
        assert endpoint is not None
        endpoint.resume()
        return Done("The webhook is resumed.")


# --- hosts themselves ------------------------------------------------------------------------------------------


class AddHost(Act):
    name, title, button = "add_host", "Add a host", "Add a host"
    kinds = ("hosts",)
    role = "admin"
    is_fresh = True
    asks = (
        Asked("name", "Name", hint="People are told it: who is asking.", high=40),
        Asked(
            "origins", "Origins", hint="Such as https://shop.example, with spaces between.", high=2_000, is_needed=False
        ),
        Asked(
            "return_urls",
            "Return addresses",
            hint="Letter for letter, with spaces between.",
            high=2_000,
            is_needed=False,
        ),
        Asked(
            "sources", "Sources it may offer", hint="Their short names; none means all.", high=2_000, is_needed=False
        ),
        Asked("is_test", "For tests: may use plain http on its own machine", "yes", is_needed=False),
    )

    def plan(self, it: None, given: dict[str, Any]) -> list[str]:
        return ["A new company may send its people here. Its first secret key is shown once, on the next page."]

    def do(self, it: None, given: dict[str, Any]) -> Done:
        lists = {name: given[name].split() for name in ("origins", "return_urls", "sources")}
        try:
            host = new_host(given["name"], is_test=given["is_test"], **lists)
            with db.session.begin_nested():
                db.session.add(host)
        except BadHost as error:
            raise Mistyped(error.name, str(error)) from error
        except IntegrityError as error:
            raise Mistyped("name", "There is a host with this name already.") from error
        key = HostKey.issue(host)
        details = {"host": host.ref, "ending": key[-4:]}
        return Done(f"{host.name} was added, and its key was shown once.", details, secret_key(host, key))


def secret_key(host: Host, key: str) -> Handout:
    return Handout(key, f"The secret key of {host.name}: only its own server may know it.")


class NewKey(Act):
    name, title, button = "new_key", "A new secret key", "New key"
    kinds = ("host",)
    role = "admin"
    is_fresh = True

    def plan(self, it: Host, given: dict[str, Any]) -> list[str]:
        return [f"{it.name} gets one more secret key, shown once. Its other keys go on until they are revoked."]

    def do(self, it: Host, given: dict[str, Any]) -> Done:
        key = HostKey.issue(it)
        return Done("A new key was made and shown once.", {"ending": key[-4:]}, secret_key(it, key))


class RevokeKey(Act):
    name, title, button = "revoke_key", "Revoke a secret key", "Revoke a key"
    kinds = ("host",)
    role = "admin"
    is_fresh = is_danger = True
    asks = (Asked("ending", "The last four characters of the key", high=4),)

    def plan(self, it: Host, given: dict[str, Any]) -> list[str]:
        valid = [key.ending for key in it.keys if key.revoked_at is None]
        said = [
            "The key with this ending is worth nothing from now on. This cannot be undone.",
            "Links made with it that nobody has opened run out at once. Visits that somebody has opened go on.",
        ]
        if len(valid) == 1:
            said.append(f"It is the only one {it.name} has: its server is locked out until it has a new one.")
        return said

    def do(self, it: Host, given: dict[str, Any]) -> Done:
        ended = [key for key in it.keys if key.ending == given["ending"] and key.revoked_at is None]
        if not ended:
            raise Mistyped("ending", "No valid key ends like this.")
        links = sum(Invitation.revoke_key(key) for key in ended)
        details = {"ending": given["ending"], "count": len(ended), "links": links}
        return Done(f"The key is worth nothing any more, and {many(links, 'link')} ran out with it.", details)
