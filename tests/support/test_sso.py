"""Single sign-on, against a provider that is really there: who it may let in, and which of its words we do not believe."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from joserfc.jwk import RSAKey

from tests.conftest import settings
from tests.people import Visitor
from tests.security.tools import OURS, ask
from tests.support.acting import WHY, Later, OnRecord, ref_of, shown
from tests.support.entering import is_in
from tests.support.provider import CLIENT, SECRET, Provider, running
from tests.test_closing import operator
from webapp import create_app
from webapp.config import BadSetting, Config
from webapp.db import db
from webapp.models import AuditEntry, Connection, Staff, StaffSession

NOTE = "They called at nine: the code came late, and the second one worked."


@pytest.fixture(scope="module")
def at_work() -> Iterator[Provider]:
    with running(Provider()) as provider:
        yield provider


@pytest.fixture
def provider(at_work: Provider) -> Iterator[Provider]:
    honest = dict(vars(at_work))
    yield at_work
    vars(at_work).update(honest, lies={}, asked={})


@pytest.fixture
def house(provider: Provider, database_url: str, app: Flask) -> Iterator[Flask]:
    """An app whose staff may use the provider; Ash is on the team, by a link that was never used."""
    house = create_app(
        settings(database_url, oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET)
    )
    assert operator(house, "staff", "invite", "ash@desk.example", "--role", "agent").exit_code == 0
    yield house
    house.extensions["gangway"].bus.close()
    with house.app_context():
        db.engine.dispose()


def asks(visitor: Visitor, path: str = "/support/sso") -> str:
    """As far as the provider, and back again: the path with code and state that it leads to."""
    there = visitor.http.get(path)
    assert there.status_code == 302, visitor.page.text
    back = httpx.get(there.headers["Location"]).headers["Location"]
    return back.removeprefix("http://localhost")


def comes_by_it(house: Flask, path: str = "/support/sso") -> Visitor:
    visitor = Visitor(house)
    visitor.opens(asks(visitor, path))
    return visitor


def why(house: Flask) -> list[str]:
    with house.app_context():
        entries = db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id)).all()
        return [entry.details.get("why", "") for entry in entries if entry.act == "sign_in"]


def test_somebody_on_the_team_comes_in_without_a_password(house: Flask) -> None:
    visitor = Visitor(house)
    visitor.opens("/support/mine")
    assert "Use single sign-on" in visitor.sees()
    visitor.opens(asks(visitor, "/support/sso?next=/support/mine"))
    assert visitor.page.status_code == 200 and "You are signed in" in visitor.sees()
    assert 'content="0;url=/support/mine"' in visitor.page.text
    assert is_in(visitor)
    with house.app_context():
        session = db.session.scalars(db.select(StaffSession)).one()
        assert (session.method, session.is_whole, session.is_fresh) == ("sso", True, True)
    assert not [c.name for c in visitor.http.cookies.jar if c.name == "gangway-sso"], "what was kept is forgotten"


def test_nobody_holds_a_connection_while_the_provider_thinks(house: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    held, answers = list[int](), Provider.__call__

    def thinks(provider: Provider, *asked: Any) -> Any:
        with house.app_context():
            held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return answers(provider, *asked)

    monkeypatch.setattr(Provider, "__call__", thinks)
    assert is_in(comes_by_it(house))
    assert held == [0] * len(held) != []


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"nonce": "another"}, "provider"),
        ({"nonce": None}, "provider"),
        ({"aud": "somebody-else"}, "provider"),
        ({"aud": None}, "provider"),
        ({"iss": "https://evil.example"}, "provider"),
        ({"exp": 1_000_000_000}, "provider"),
        ({"email_verified": False}, "unverified"),
        ({"email_verified": "true"}, "unverified"),
        ({"email_verified": None}, "unverified"),
        ({"email": None}, "unverified"),
        ({"email": ["ash@desk.example"]}, "unverified"),
        ({"email": "eve@desk.example"}, "unknown"),
        ({"auth_time": "now"}, "provider"),
        ({"auth_time": 1_000_000_000}, "auth_time"),
    ],
)
def test_nobody_comes_in_by_a_word_we_do_not_believe(
    house: Flask, provider: Provider, lies: dict[str, Any], reason: str
) -> None:
    provider.lies = lies
    visitor = comes_by_it(house)
    assert visitor.page.status_code == 403 and "did not work" in visitor.sees()
    assert not is_in(visitor) and why(house) == [reason]
    with house.app_context():
        assert len(db.session.scalars(db.select(Staff)).all()) == 1, "nobody becomes staff by it"


@pytest.mark.parametrize("email", ["a\u017fh@desk.example", "ash@de\u017fk.example"])
def test_a_mailbox_that_only_looks_like_theirs_is_another(house: Flask, provider: Provider, email: str) -> None:
    """Folding case makes an s of a long s, and ss of a sharp one."""
    provider.lies = {"email": email}
    assert not is_in(comes_by_it(house)) and why(house) == ["unknown"]


def test_a_token_that_somebody_else_signed_is_refused(house: Flask, provider: Provider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert comes_by_it(house).page.status_code == 403


def test_an_answer_to_another_question_is_refused(house: Flask) -> None:
    """A wrong state, none, somebody else's answer, and one's own a second time."""
    mine, eve = Visitor(house), Visitor(house)
    back = asks(mine)
    state = parse_qs(urlsplit(back).query)["state"][0]
    for path in (back.replace(state, "another"), back.split("&state")[0], "/support/sso/callback"):
        other = Visitor(house)
        asks(other)
        assert other.opens(path).status_code == 403
    assert eve.opens(back).status_code == 403, "the link alone is worth nothing"
    asks(eve)
    assert eve.opens(back).status_code == 403
    assert mine.opens(back).status_code == 200
    assert mine.opens(back).status_code == 403
    assert is_in(mine), "which changes nothing for whoever is in already"


def test_what_is_kept_meanwhile_cannot_be_forged_and_runs_out(house: Flask, later: Later) -> None:
    visitor = Visitor(house)
    back = asks(visitor)
    (cookie,) = [c for c in visitor.http.cookies.jar if c.name == "gangway-sso"]
    assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Lax"
    honest, cookie.value = cookie.value, str(cookie.value)[:-2] + "xx"
    assert visitor.opens(back).status_code == 403
    visitor = Visitor(house)
    back = asks(visitor)
    later(minutes=11)
    assert visitor.opens(back).status_code == 403 and honest


def test_somebody_disabled_stays_out(house: Flask) -> None:
    operator(house, "staff", "disable", "ash@desk.example")
    assert comes_by_it(house).page.status_code == 403
    assert why(house) == ["disabled"]


def test_a_provider_that_is_away_is_said_kindly(house: Flask, provider: Provider) -> None:
    provider.answers = False
    visitor = Visitor(house)
    assert visitor.opens("/support/sso").status_code == 403
    provider.answers = True
    back = asks(visitor)
    provider.answers = False
    assert visitor.opens(back).status_code == 403
    provider.answers = True
    assert comes_by_it(house).page.status_code == 200, "and once it is back, so are we"


def test_being_fresh_takes_a_new_sign_in_at_the_provider(house: Flask, provider: Provider, later: Later) -> None:
    provider.lies = {"auth_time": int(time.time()) - 3_600}
    visitor = comes_by_it(house)
    visitor.posts("/support/mine/tokens", {"name": "report"})
    assert visitor.page.url.path == "/support/prove" and "single sign-on again" in visitor.sees()
    asked = visitor.http.get("/support/sso?again=1").headers["Location"]
    assert "max_age=0" in asked and "prompt=login" in asked
    provider.lies = {}
    visitor.opens(asks(visitor, "/support/sso?again=1"))
    visitor.posts("/support/mine/tokens", {"name": "report"})
    assert "Your new token" in visitor.sees()


def test_an_old_sign_in_is_not_a_new_one(house: Flask, provider: Provider) -> None:
    """A provider that does not ask anew when it should, and one whose last sign-in was yesterday."""
    provider.lies = {"auth_time": int(time.time()) - 3_600}
    assert comes_by_it(house, "/support/sso?again=1").page.status_code == 403
    provider.lies = {"auth_time": int(time.time()) - 9 * 3_600}
    assert comes_by_it(house).page.status_code == 403
    assert why(house) == ["auth_time", "auth_time"]
    provider.lies = {"auth_time": int(time.time()) - 30}
    assert comes_by_it(house, "/support/sso?again=1").page.status_code == 200, "clocks differ by seconds"


ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}
PICTURE = {**ELSEWHERE, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
FRAME = {**ELSEWHERE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
PAGE = {**ELSEWHERE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def test_a_picture_on_somebodys_page_does_nothing(house: Flask) -> None:
    """It is looked at in the office, sixty times: nobody there is kept from signing in, and nothing is on record."""
    mine, before = Visitor(house), entries(house)
    back = asks(mine)
    for headers in [PICTURE, FRAME, PICTURE | {"Sec-Fetch-Site": "same-site"}] * 20:
        for path in ("/support/sso", back):
            answer = mine.http.get(path, headers=headers)
            assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
    assert entries(house) == before
    assert mine.http.get(back, headers=PAGE).status_code == 200, "as the provider's page leads back to us"
    assert Visitor(house).http.get("/support/sso", headers=PAGE).status_code == 302


def test_a_link_back_that_nobody_asked_for_does_nothing(house: Flask) -> None:
    before = entries(house)
    for _ in range(60):
        answer = Visitor(house).http.get("/support/sso/callback?code=x&state=y")
        assert answer.status_code == 403 and "did not work" in answer.text
    assert entries(house) == before
    assert comes_by_it(house).page.status_code == 200


def test_single_sign_on_has_a_limit_of_its_own(house: Flask) -> None:
    statuses = [Visitor(house).http.get("/support/sso").status_code for _ in range(51)]
    assert statuses == [302] * 50 + [429]
    form = {"email": "ash@desk.example", "password": "not the right one"}
    assert ask(house, "POST", "/support/sign-in", headers=OURS, form=form).status == 401


def entries(house: Flask) -> int:
    with house.app_context():
        return db.session.query(AuditEntry).count()


def test_a_form_is_kept_over_a_new_sign_in_at_the_provider(
    connected: Visitor, house: Flask, provider: Provider, later: Later, on_record: OnRecord
) -> None:
    """The reason waits in one tab; the sign-in is in another, and may first be one that proves nothing."""
    visitor = comes_by_it(house)
    ref = ref_of(house, Connection)
    visitor.opens(f"/support/act/reconnect_link/{ref}")
    before = len(on_record())
    later(minutes=11)
    visitor.presses("Reconnect link", reason=WHY, days="1")
    assert "What you typed is kept" in visitor.sees() and "not signed in anew yet" not in visitor.sees()

    visitor.presses("I have signed in, go on")
    assert visitor.page.status_code == 401 and "not signed in anew yet" in visitor.sees()
    provider.lies = {"auth_time": int(time.time()) - 3_600}
    signs_in_in_another_tab(visitor, "/support/sso?next=/support/signed-in")
    visitor.presses("I have signed in, go on")
    assert visitor.page.status_code == 401 and str(visitor.field("reason").get("value")) == WHY
    assert "reconnect_link" not in [act for act, *_ in on_record()[before:]], "nothing is done by a form that waits"

    provider.lies = {}
    signs_in_in_another_tab(visitor)
    visitor.presses("I have signed in, go on")
    assert shown(visitor).startswith("http://localhost/connections/")
    assert on_record()[-1] == ("reconnect_link", f"conn_{ref}", WHY)


def test_a_form_is_kept_when_the_session_is_over(connected: Visitor, house: Flask, later: Later) -> None:
    """A note, which asks for no new proof: by the time it is written nobody is signed in any more."""
    visitor = comes_by_it(house)
    visitor.opens(f"/support/connections/{ref_of(house, Connection)}")
    later(minutes=16)
    visitor.posts(f"{visitor.page.url.path}/notes", {"text": NOTE})
    assert visitor.page.status_code == 401 and "What you typed is kept" in visitor.sees()
    visitor.presses("I have signed in, go on")
    assert visitor.page.status_code == 401 and "not signed in yet" in visitor.sees()
    signs_in_in_another_tab(visitor)
    visitor.presses("I have signed in, go on")
    assert visitor.page.status_code == 200 and NOTE in visitor.sees()


def signs_in_in_another_tab(visitor: Visitor, path: str = "") -> None:
    """By the page's own link unless another way is said, in a tab of its own: the form stays where it is."""
    waits = visitor.page
    (link,) = (a for a in visitor.tree.iter("a") if a.get("target") == "_blank")
    visitor.opens(asks(visitor, path or str(link.get("href")).replace("/sign-in", "/sso")))
    visitor.opens(re.search(r'content="0;url=([^"]+)"', visitor.page.text)[1])  # type: ignore[index]
    assert "What you typed waits in the other tab" in visitor.sees()
    visitor.page = waits


def test_without_the_settings_there_is_no_such_page(app: Flask) -> None:
    visitor = Visitor(app)
    assert "single sign-on" not in visitor.opens("/support/sign-in").text
    for _ in range(60):
        assert [visitor.opens(f"/support/{path}").status_code for path in ("sso", "sso/callback")] == [404, 404]


# --- settings --------------------------------------------------------------------------------------------------

NEEDED = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    "VAULT_KEYS": "k1:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
    "PUBLIC_URL": "https://connect.example.com",
    "DECK_API_KEY": "sk_live_secret",
    "DECK_WEBHOOK_SECRETS": "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
}
SSO = {"OIDC_ISSUER": "https://id.example.com", "OIDC_CLIENT_ID": "support", "OIDC_CLIENT_SECRET": "top secret words"}


def test_the_three_settings_go_together() -> None:
    assert Config.from_env({**NEEDED, **SSO}).oidc_issuer == "https://id.example.com"
    for name in SSO:
        rest = {k: v for k, v in SSO.items() if k != name}
        with pytest.raises(BadSetting, match=f"^{name} is not set") as refused:
            Config.from_env({**NEEDED, **rest})
        assert "top secret" not in str(refused.value)


@pytest.mark.parametrize("issuer", ["id.example.com", "http://id.example.com", "https://id.example.com?x=1"])
def test_an_issuer_is_an_address(issuer: str) -> None:
    with pytest.raises(BadSetting, match=r"^OIDC_ISSUER "):
        Config.from_env({**NEEDED, **SSO, "OIDC_ISSUER": issuer})


def test_without_its_package_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadSetting, match=r"install gangway\[sso\]"):
        Config.from_env({**NEEDED, **SSO})
