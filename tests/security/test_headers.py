"""What every response carries, whatever it is an answer to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.exc import OperationalError

from tests.people import Visitor
from tests.security.conftest import House
from tests.security.tools import OURS, Reply, ask, filled
from webapp import headers

FOR_HOSTS = {"frame.rolling_script", "frame.versioned_script"}
"""What pages of other origins load: `tests/test_frame.py` looks at it."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
CSP = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
    "frame-ancestors": ["'none'"],
}


def directives(reply: Reply) -> dict[str, list[str]]:
    policies = reply.headers.getlist("Content-Security-Policy")
    assert len(policies) == 1
    return {name: values for name, *values in (part.split() for part in policies[0].split(";"))}


def assert_hardened(reply: Reply, about: object = "", *, is_file: bool = False) -> None:
    for name, value in headers.FIXED.items():
        assert reply.headers.getlist(name) == [value], (about, name)
    policy = directives(reply)
    if is_file:
        assert "sandbox" in policy, about
    else:
        script = policy.pop("script-src")
        assert policy == CSP, about
        assert len(script) == 2 and script[1] == "'strict-dynamic'", about
        assert re.fullmatch(r"'nonce-[\w-]{22,}'", script[0]), about
    assert "unsafe" not in str(reply.headers), about
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control-")], about
    assert not reply.headers.get("X-Powered-By") and not reply.headers.get("Server"), about


def every_request(house: House) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """(endpoint, method, path, headers): every rule with every method, about Robin's things and about nothing."""
    mine = house.refs["robin"]
    for rule in house.app.url_map.iter_rules():
        for ref in (mine["connection"], mine["interaction"], mine["outcome"], "nothing") if rule.arguments else ("",):
            path = filled(rule, ref=ref, run_ref=mine["run"], number=0, filename="page.js")
            for method in METHODS if ref in ("", "nothing") else ("GET", "POST"):
                changes = method == "POST" and ref != "nothing"
                yield rule.endpoint, method, path, {} if changes else OURS
    yield "", "GET", "/nowhere", {}


@pytest.mark.parametrize("who", ["nobody", "robin"])
def test_every_route_with_every_method_carries_the_whole_header_set(house: House, who: str) -> None:
    seen = set()
    for endpoint, method, path, sent in every_request(house):
        if who == "robin" and endpoint in ("account.sign_out", "connect.start", "account.submit_sign_up"):
            sent = {}  # refused, so that nothing changes
        reply = ask(house.app, method, path, headers=sent, cookie=house.cookies.get(who, ""))
        about = (who, method, path, reply.status)
        assert reply.status < 500, about
        is_file = "attachment" in reply.headers.get("Content-Disposition", "")
        if endpoint in FOR_HOSTS and reply.status == 200 and method != "OPTIONS":
            assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin", about
            assert "Set-Cookie" not in reply.headers, about
            continue
        assert_hardened(reply, about, is_file=is_file)
        if endpoint != "static" or reply.status >= 400 or method == "OPTIONS":
            assert reply.headers.getlist("Cache-Control") == ["no-store"], about
        seen.add(reply.status)
    wanted = {200, 302, 401, 403, 404, 405} if who == "nobody" else {200, 302, 403, 404, 405}
    assert wanted <= seen, "this test has seen every kind of answer it is about"


def test_forced_errors_carry_it_too(build: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> None:
    house = build()
    cookie = (house.visitor("robin@sample.example"), house.cookies["robin"])[1]
    too_much = ask(house.app, "POST", "/sign-in", headers=OURS, body=b"a=" + b"b" * 20_000)
    assert too_much.status == 413
    with monkeypatch.context() as patch:
        patch.setitem(house.app.view_functions, "account.home", lambda: 1 / 0)
        broken = ask(house.app, "GET", "/", cookie=cookie)
        patch.setattr("webapp.errors.render_template", lambda *a, **k: 1 / 0)
        broken_twice = ask(house.app, "GET", "/", cookie=cookie)
        no_page = ask(house.app, "GET", "/nowhere")
    with monkeypatch.context() as patch:
        patch.setattr("webapp.db.db.session.scalar", no_database)
        without_database = ask(house.app, "GET", "/connections", cookie=cookie)
    not_ours = ask(house.app, "GET", "/", HTTP_HOST="evil.example")
    statuses = [broken.status, broken_twice.status, no_page.status, without_database.status, not_ours.status]
    assert statuses == [500, 500, 404, 503, 400]
    for reply in (too_much, broken, broken_twice, no_page, without_database, not_ours):
        assert_hardened(reply, reply.status)
        assert reply.headers.getlist("Cache-Control") == ["no-store"]
        assert len(reply.body) < 20_000 and b"Traceback" not in reply.body and b"Error" not in reply.body


def no_database(*args: object, **kwargs: object) -> None:
    raise OperationalError("SELECT", {}, Exception("disk I/O error"))


def test_the_nonce_is_fresh_every_time_and_the_one_on_the_page(house: House) -> None:
    nonces = {directives(ask(house.app, "GET", "/connections"))["script-src"][0] for _ in range(1_000)}
    assert len(nonces) == 1_000
    reply = ask(house.app, "GET", f"/connect/{house.refs['robin']['interaction']}", cookie=house.cookies["robin"])
    on_page = set(re.findall(r'nonce="([^"]*)"', reply.text))
    assert [f"'nonce-{nonce}'" for nonce in on_page] == directives(reply)["script-src"][:1]


def test_a_fragment_pushed_to_the_page_holds_no_nonce(house: House) -> None:
    reply = ask(house.app, "GET", f"/connect/{house.refs['robin']['interaction']}/live", cookie=house.cookies["robin"])
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert b"data: <section" in reply.body
    assert b"nonce=" not in reply.body and b"<script" not in reply.body
    assert_hardened(reply)


def test_a_downloaded_file_is_never_shown(house: House) -> None:
    mine = house.refs["robin"]
    reply = ask(
        house.app, "GET", f"/connections/{mine['connection']}/files/{mine['run']}/0", cookie=house.cookies["robin"]
    )
    assert reply.status == 200
    assert reply.headers["Content-Disposition"].startswith("attachment;")
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert_hardened(reply, is_file=True)


def test_only_a_file_whose_address_names_its_content_is_kept(house: House) -> None:
    page = ask(house.app, "GET", "/")
    address = re.search(r'src="(/static/page\.js\?v=\w+)"', page.text)
    assert address
    assert "immutable" in ask(house.app, "GET", address[1]).headers["Cache-Control"]
    for path in ("/static/page.js", "/static/page.js?v=", "/static/nothing.js?v=1"):
        kept = ask(house.app, "GET", path).headers["Cache-Control"]
        assert "no-store" in kept or "no-cache" in kept, path


def test_an_address_that_names_other_content_is_not_kept(house: House) -> None:
    """While two versions are served side by side, the old one must not be kept under the new one's address."""
    assert "immutable" not in ask(house.app, "GET", "/static/page.js?v=0123456789ab").headers["Cache-Control"]


@pytest.mark.parametrize("public_url", ["http://localhost", "https://connect.example.com"])
def test_cookies_and_hsts_fit_the_public_address(build: Callable[..., House], public_url: str) -> None:
    house = build(public_url=public_url)
    visitor = Visitor(house.app, base_url=public_url)
    visitor.opens("/sign-up")
    sent = visitor.http.post(
        "/sign-up", data={"email": "robin@sample.example", "password": "correct horse battery"}, headers=OURS
    )
    assert sent.status_code == 303
    (cookie,) = sent.headers.get_list("set-cookie")
    name, *attributes = cookie.split("; ")
    is_secure = public_url.startswith("https")
    assert name.startswith("__Host-gangway=" if is_secure else "gangway=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Lax"} | ({"Secure"} if is_secure else set())
    assert len(cookie) < 4_096
    hsts = "max-age=63072000; includeSubDomains; preload" if is_secure else None
    assert sent.headers.get("strict-transport-security") == hsts
    assert visitor.opens("/connections").headers.get("strict-transport-security") == hsts
