"""Who may do what (SEC-44): every route of the dashboard by every role, read from the routes themselves.

A route that somebody adds is in here at once: without a role it fails, and what is not there looks like what is
another's, byte for byte.
"""

from __future__ import annotations

import re

import httpx
import pytest
from flask import Flask

from tests.people import Visitor
from tests.security.tools import OURS, ask
from tests.support.conftest import Somebody
from tests.support.routes import PLACES, is_stream, lists_of, routes
from webapp.db import db, writing
from webapp.models import AuditEntry, Staff, StaffToken
from webapp.models.staff import ROLES
from webapp.support.acts import ACTS
from webapp.support.gate import ANYBODY
from webapp.support.lists import LISTINGS

MALFORMED = ["0", "-1", "a" * 300, "%2e%2e", "%00", "%0d%0aX-Evil:1", "\u202eevil", "%ff%fe", "\U0001f600", "*", "%25"]


def knocks(visitor: Visitor, method: str, path: str, **headers: str) -> httpx.Response:
    site = {"Sec-Fetch-Site": "same-origin"} if method == "POST" else {}
    return visitor.http.request(method, path, headers={**site, **headers})


def test_every_route_says_what_it_needs(app: Flask) -> None:
    found = [*routes(app), *routes(app, method="POST"), *routes(app, "support_api")]
    assert len(found) > 20
    for rule, _, role in found:
        assert role in (*ROLES, ANYBODY), f"{rule.rule} needs nothing: mark it with `needs`"
    assert not list(routes(app, "support_api", "POST")), "programs read"


@pytest.mark.parametrize("role", ROLES)
def test_a_page_opens_for_its_role_and_larger_ones_only(app: Flask, staff: Somebody, role: str) -> None:
    somebody = staff(role)
    for method in ("GET", "POST"):
        for rule, path, needed in routes(app, method=method):
            if needed == ANYBODY or is_stream(rule) or rule.endpoint == "support.sign_out":
                continue
            status = knocks(somebody, method, path).status_code
            is_small = ROLES.index(role) < ROLES.index(needed)
            assert (status == 403) == is_small, (role, method, rule.rule, status)
            assert status < 500, (method, rule.rule)


@pytest.mark.parametrize("role", ROLES)
def test_an_act_is_for_its_role_and_larger_ones_only(app: Flask, staff: Somebody, role: str) -> None:
    somebody = staff(role)
    for act in ACTS.values():
        is_small = ROLES.index(role) < ROLES.index(act.role)
        for method in ("GET", "POST"):
            status = knocks(somebody, method, f"/support/act/{act.name}/{PLACES['ref']}").status_code
            assert status == (403 if is_small else 404), (role, act.name, method)


def test_strangers_are_asked_to_sign_in(app: Flask, robin: Visitor) -> None:
    for visitor in (Visitor(app), robin):
        for _, path, needed in routes(app):
            if needed != ANYBODY:
                answer = knocks(visitor, "GET", path)
                assert answer.status_code == 302 and "/support/sign-in" in answer.headers["Location"], path
        for _, path, needed in routes(app, method="POST"):
            if needed != ANYBODY:
                assert knocks(visitor, "POST", path).status_code == 401, path
        for _, path, needed in routes(app, "support_api"):
            if needed != ANYBODY:
                assert knocks(visitor, "GET", path).status_code == 401, path


def test_no_form_comes_from_elsewhere(app: Flask, staff: Somebody) -> None:
    admin = staff("admin")
    for _, path, _ in routes(app, method="POST"):
        assert knocks(admin, "POST", path, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403, path


@pytest.mark.parametrize("role", ROLES)
def test_a_token_reads_what_its_owner_may_read(app: Flask, staff: Somebody, role: str) -> None:
    staff(role)
    with app.app_context(), writing():
        owner = db.session.query(Staff).one()
        token = StaffToken.issue(owner, "program")
    program = {"Authorization": f"Bearer {token}"}
    for rule, path, needed in routes(app, "support_api"):
        if is_stream(rule):
            continue
        answer = knocks(Visitor(app), "GET", path, **program)
        is_small = ROLES.index(role) < ROLES.index(needed)
        assert (answer.status_code == 403) == is_small, (rule.rule, answer.status_code)
        assert answer.headers["Content-Type"] == "application/json", rule.rule
    with app.app_context(), writing():
        db.session.query(StaffToken).one().revoked_at = db.session.query(StaffToken).one().created_at
    for _, path, _ in routes(app, "support_api"):
        assert knocks(Visitor(app), "GET", path, **program).status_code == 401, path


def test_a_token_is_no_cookie_and_a_cookie_no_token(app: Flask, agent: Visitor) -> None:
    with app.app_context(), writing():
        token = StaffToken.issue(db.session.query(Staff).one(), "program")
    for rule, path, needed in routes(app):
        if needed != ANYBODY and not is_stream(rule):
            answer = knocks(Visitor(app), "GET", path, Authorization=f"Bearer {token}")
            assert answer.status_code == 302, path
    for _, path, _ in routes(app, "support_api"):
        assert knocks(agent, "GET", path).status_code == 401, path


Essence = tuple[int, list[tuple[str, str]], str]


def essence(visitor: Visitor, method: str, path: str) -> Essence:
    """All of an answer but its nonces and its reference, which is another one each time."""
    cookie = f"gangway-staff={visitor.http.cookies['gangway-staff']}"
    reply = ask(visitor.app, method, path, headers=OURS, form={} if method == "POST" else None, cookie=cookie)
    status, headers, html = reply.essence
    return status, headers, re.sub(r"Reference <code>\w+</code>", "", html)


def test_what_is_not_there_looks_the_same_whatever_it_is_called(app: Flask, staff: Somebody) -> None:
    """The dashboard has one tenant, so what is foreign is another kind's reference."""
    admin = staff("admin")
    with app.app_context(), writing():
        foreign = AuditEntry.append("cancel").ref
    for method in ("GET", "POST"):
        for rule, path, needed in routes(app, method=method):
            if "ref" not in rule.arguments or needed == ANYBODY or is_stream(rule):
                continue
            missing = essence(admin, method, path)
            assert missing[0] == 404, (method, path)
            for other in (foreign, *MALFORMED):
                found = essence(admin, method, path.replace(PLACES["ref"], other))
                assert found == missing or found[0] in (400, 404), (method, rule.rule, other)
            assert essence(admin, method, path.replace(PLACES["ref"], foreign)) == missing


def test_whoever_is_refused_is_on_record(app: Flask, staff: Somebody) -> None:
    knocks(staff("viewer"), "POST", f"/support/act/cancel/{PLACES['ref']}")
    with app.app_context():
        entry = db.session.query(AuditEntry).one()
        assert (entry.act, entry.result, entry.role) == ("refused", "refused", "viewer")
        assert entry.details == {"page": "support.submit_act", "needs": "agent"}


def test_a_program_that_is_refused_is_on_record(app: Flask, staff: Somebody) -> None:
    staff("viewer")
    with app.app_context(), writing():
        token = StaffToken.issue(db.session.query(Staff).one(), "program")
    assert knocks(Visitor(app), "GET", "/support/api/audit", Authorization=f"Bearer {token}").status_code == 403
    with app.app_context():
        entry = db.session.query(AuditEntry).one()
        assert (entry.act, entry.method, entry.details["needs"]) == ("refused", "token", "lead")


# --- bad input ---------------------------------------------------------------------------------------------------

CURSORS = ["x", "-1", "1e3", "\uff11", "99999999999", "2147483648", "0x1", "1 ", "%00", "9" * 5_000, "1;drop table"]


def test_a_cursor_we_never_gave_out_is_refused(app: Flask, lead: Visitor) -> None:
    for name in lists_of(app):
        for cursor in CURSORS:
            assert lead.http.get(f"/support/{name}", params={"before": cursor}).status_code == 400, (name, cursor)
        assert lead.http.get(f"/support/{name}?before=0").status_code == 200
        assert lead.http.get(f"/support/{name}?before=2147483647").status_code == 200, "a deep page is an empty one"


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "%" * 10_000, "\0", "' OR 1=1--", "\U0001f600" * 500, "_", "\\", "\ud800"]
)
def test_a_filter_takes_anything_and_breaks_nothing(app: Flask, lead: Visitor, text: str) -> None:
    for name in lists_of(app):
        typed = {f.name: text.encode("utf-8", "replace").decode() for f in LISTINGS[name].filters}
        for one in typed:
            answer = lead.http.get(f"/support/{name}", params={one: typed[one]})
            assert answer.status_code in (200, 400, 414), (name, one, answer.status_code)
            answer = lead.http.get(f"/support/{name}.csv", params={one: typed[one]})
            assert answer.status_code in (200, 400, 414), (name, one, answer.status_code)
