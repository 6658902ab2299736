"""Nonsense gets a small plain no: never a 5xx, never a stack trace, never back what somebody typed as a secret."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Stage
from tests.people import Visitor
from tests.security.conftest import House, built, close, lived_in
from tests.security.test_bad_bodies import CANARY, assert_small_no
from tests.security.test_same_origin import everything
from tests.security.tools import OURS, ask, filled
from webapp.assets import digest, short, zipped
from webapp.forwarded import client_of

QUERIES = ["a" * 10_000, "%", "_", "%%%", "\\", "'", '"', "';--", "*", "?", "[", "(", "a%00b", "\ufdfa" * 500, "\u0130"]
QUERIES += [
    "https://[",
    "https://\u2100.com",
    ".",
    "...",
    "://",
    "http://" * 50,
    "x" * 300 + ".example",
    "\u202e",
    "\r\nX: 1",
]
QUERIES += ["<script>alert(1)</script>", "\U0001f600", "Z" + "\u0301" * 3_000, "%ff%fe", "\u00df", "-1", "{{7*7}}"]


def test_search_takes_everything_for_plain_words(house: House) -> None:
    path, cookie = f"/connect/{house.refs['robin']['pick']}", house.cookies["robin"]
    for query in QUERIES:
        reply = ask(house.app, "GET", path, cookie=cookie, QUERY_STRING="q=" + percent(query))
        assert reply.status == 200, query[:40]
        assert "<script>alert" not in reply.text and "X: 1" not in str(reply.headers)
        if query in ("%", "_", "\\", "*", "';--", "%%%"):  # nothing of a word is left: then all are shown
            assert reply.text.count('class="source"') > 5
    assert ask(house.app, "GET", path, cookie=cookie, QUERY_STRING="q=%25aple").text.count('class="source"') < 3


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


HOSTS = [
    "evil.example",
    "evil.example:443",
    "localhost@evil.example",
    "localhost.evil.example",
    "evil.example/localhost",
]
HOSTS += [
    "",
    " ",
    "localhost:evil",
    "[::1",
    "localhost\\evil.example",
    "a" * 5_000,
    "localhost, evil.example",
    "127.0.0.1",
]
HOSTS += ["\u00e9", ".localhost", "localhost.", "LOCALHOST.evil", "xn--", "0"]


@pytest.mark.parametrize("path", ["/", "/connections", "/static/page.js", "/nowhere", "//evil.example/connections"])
def test_another_host_is_refused_and_never_repeated(house: House, path: str, caplog: pytest.LogCaptureFixture) -> None:
    for host in HOSTS:
        for method in ("GET", "POST", "FOO"):
            environ = {"HTTP_HOST": host.encode().decode("latin1")}
            reply = ask(house.app, method, path, cookie=house.cookies["robin"], **environ)
            assert_small_no(reply, (host, method))
            assert "evil" not in reply.text and "evil" not in str(reply.headers)
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


def test_an_address_in_brackets_is_ours_as_a_name_is(build: Callable[..., House]) -> None:
    house = build(public_url="http://[::1]:5050")
    robin = Visitor(house.app, base_url="http://[::1]:5050")
    robin.signs_up("robin@sample.example")
    assert robin.page.url.path == "/connections"
    for host in ("[::1]", "[::1]:5050", "[::1]:80"):
        assert ask(house.app, "GET", "/", HTTP_HOST=host).status == 200, host
    for host in [*HOSTS, "[::2]:5050", "[::11]", "[", "localhost", "[::1]evil.example", "[::1]:evil", "[::1].evil"]:
        for path in ("/", "/static/page.js", "/v1/sources", "/webhooks/deck", "/nowhere"):
            reply = ask(house.app, "GET", path, HTTP_HOST=host.encode().decode("latin1"))
            assert_small_no(reply, (host, path))
            assert "http://[::1]:5050" in reply.text and "evil" not in reply.text, (host, path)


def test_forwarding_headers_are_nobodys_word(house: House) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"}
    forged |= {"Forwarded": "for=1.2.3.4;host=evil.example", "X-Original-URL": "/connections", "X-Rewrite-URL": "/x"}
    forged |= {"X-Forwarded-For": ", ".join(["1.2.3.4"] * 1_000), "X-Host": "evil.example", "X-Forwarded-Port": "1"}
    plain, with_them = (ask(house.app, "GET", "/", headers=headers) for headers in ({}, forged))
    assert plain.essence == with_them.essence
    there = ask(house.app, "GET", "/connections", headers=forged)
    assert there.headers["Location"] == "/sign-in?next=/connections"


def test_behind_one_proxy_the_last_address_counts(build: Callable[..., House]) -> None:
    house = build(proxy_hops=1)
    for n in range(61):
        headers = {**OURS, "X-Forwarded-For": f"10.0.0.{n}, 203.0.113.7", "X-Forwarded-Host": "evil.example"}
        reply = ask(house.app, "POST", "/sign-in", headers=headers, form={"email": f"{n}@x.example", "password": "x"})
    assert reply.status == 429
    other = {**OURS, "X-Forwarded-For": "203.0.113.7, 203.0.113.8"}
    form = {"email": "x@x.example", "password": "x"}
    assert ask(house.app, "POST", "/sign-in", headers=other, form=form).status == 401


def signs_in_from(house: House, **where: str) -> int:
    """What somebody with a wrong password is told, who comes from there."""
    form = {"email": f"{next(NUMBERS)}@x.example", "password": "x"}
    return ask(house.app, "POST", "/sign-in", headers=OURS, form=form, **where).status


NUMBERS = itertools.count()


@pytest.mark.parametrize("said", ['"', '"1.2.3.4", "', "\\"])
def test_behind_a_proxy_no_quote_hides_an_address(build: Callable[..., House], said: str) -> None:
    """Whoever sends one would be taken for the proxy, as everybody who does: sixty tries keep them all out."""
    house = build(proxy_hops=1)
    for _ in range(61):
        status = signs_in_from(house, HTTP_X_FORWARDED_FOR=f"{said}, 203.0.113.7")
    assert status == 429
    assert signs_in_from(house, HTTP_X_FORWARDED_FOR="203.0.113.7") == 429, "it is who it was"
    assert signs_in_from(house, HTTP_X_FORWARDED_FOR=f"{said}, 203.0.113.8") == 401


@pytest.mark.parametrize(
    ("header", "hops", "address"),
    [
        ("203.0.113.7", 1, "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.0.0.1", 2, "203.0.113.7"),
        ("203.0.113.7:50112", 1, "203.0.113.7"),
        ("2001:DB8::0:7", 1, "2001:db8::7"),
        ("[2001:db8::7]:50112", 1, "2001:db8::7"),
        ("unknown", 1, ""),
        ("203.0.113.7", 2, ""),
        ("1.2.3.4, _hidden, 10.0.0.1", 2, ""),
        ("", 1, ""),
    ],
)
def test_a_proxys_word_is_an_address_or_nobodys(header: str, hops: int, address: str) -> None:
    assert client_of(header, hops) == address


def test_a_whole_network_of_ipv6_is_one_address(own: House) -> None:
    """It is what one household is given; the next household has its own tries."""
    statuses = [signs_in_from(own, REMOTE_ADDR=f"2001:db8:0:1::{n:x}") for n in range(1, 62)]
    assert statuses == [401] * 60 + [429]
    assert signs_in_from(own, REMOTE_ADDR="2001:db8:0:1:ffff::9") == 429
    assert signs_in_from(own, REMOTE_ADDR="2001:db8:0:2::1") == 401


def test_an_ipv4_address_is_the_same_when_it_comes_as_ipv6(own: House) -> None:
    for _ in range(60):
        signs_in_from(own, REMOTE_ADDR="::ffff:203.0.113.7")
    assert signs_in_from(own, REMOTE_ADDR="203.0.113.7") == 429
    assert signs_in_from(own, REMOTE_ADDR="::ffff:203.0.113.8") == 401, "not all of IPv4 is one network"


def test_htmx_headers_are_never_trusted(house: House) -> None:
    forged = {"HX-Request": "true", "HX-Target": '"><script>', "HX-Current-URL": "javascript:alert(1)"}
    forged |= {"HX-Trigger": "x", "HX-Boosted": "true", "HX-Prompt": CANARY, "HX-History-Restore-Request": "true"}
    path, cookie = f"/connect/{house.refs['robin']['interaction']}", house.cookies["robin"]
    plain, with_them = (ask(house.app, "GET", path, headers=headers, cookie=cookie) for headers in ({}, forged))
    assert plain.essence == with_them.essence
    assert ask(house.app, "POST", "/connect/start", headers=forged, cookie=cookie).status == 403


def test_static_files_are_the_static_files_only(house: House) -> None:
    for name in (
        "../wsgi.py",
        "..%2fwsgi.py",
        "%2e%2e/wsgi.py",
        "..%5cwsgi.py",
        "%c0%ae%c0%ae/wsgi.py",
        "%00",
        "page.js%00",
    ):
        assert_small_no(ask(house.app, "GET", f"/static/{name}"), name)
    for name in ("/etc/passwd", "//etc/passwd", "C:/x", "a" * 5_000, "vendor", "vendor/", ""):
        reply = ask(house.app, "GET", f"/static/{name}")
        assert reply.status in (404, 308), name
    for value in ("bytes=0-,0-,0-", "bytes=" + "0-0," * 5_000 + "1-1", "bytes=999999-", "bytes=-0", "x=1", "bytes=a-b"):
        reply = ask(house.app, "GET", "/static/page.js", headers={"Range": value})
        assert reply.status in (200, 206, 416) and len(reply.body) < 20_000, value[:20]
    for name in ("If-None-Match", "If-Modified-Since", "If-Range", "Accept", "Accept-Encoding", "Authorization"):
        assert (
            ask(
                house.app, "GET", "/static/page.js", **{f"HTTP_{name.upper().replace('-', '_')}": '"\xff,' * 3_000}
            ).status
            == 200
        )


def test_a_file_under_many_names_is_one_file(house: House) -> None:
    """What is worked out for a file is kept; nobody should fill the memory with further spellings of its name."""
    plain = ask(house.app, "GET", f"/static/app.css?v={short('app.css')}", headers={"Accept-Encoding": "gzip"})
    kept = digest.cache_info().currsize, zipped.cache_info().currsize
    for name in ("x/../app.css", "./app.css", "././app.css", "vendor/../app.css", "vendor/.././app.css"):
        path = f"/static/{name}?v={short('app.css')}"
        assert ask(house.app, "GET", path, headers={"Accept-Encoding": "gzip"}).body == plain.body, name
        assert ask(house.app, "GET", f"/static/{name}").status == 200
    assert (digest.cache_info().currsize, zipped.cache_info().currsize) == kept


NEVER = [
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 +99999999999999999",
    "Mon, 99 Jan 2024 00:00:00 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "9" * 5_000,
]


@pytest.mark.parametrize("date", NEVER)
@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Range", "If-Unmodified-Since"])
def test_a_date_of_no_calendar_is_nobodys_trouble(
    house: House, header: str, date: str, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/static/page.js", "/connect.json", "/", "/nowhere", "/connections", "/v1/sources", "/livez"):
        headers = {header: date} | ({"Range": "bytes=0-3"} if header == "If-Range" else {})
        reply = ask(house.app, "GET", path, headers=headers, cookie=house.cookies["robin"])
        assert reply.status < 500, path
        if reply.status == 400:
            assert_small_no(reply, path)
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


def test_a_query_that_is_no_text_is_refused(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Raw bytes behind the question mark: gunicorn hands them on as they came."""
    for rule in house.app.url_map.iter_rules():
        path = filled(rule, **house.refs["robin"])
        assert_small_no(ask(house.app, "GET", path, cookie=house.cookies["robin"], QUERY_STRING="q=\xff"), path)
    for query in ("\xff", "v=\xc3&next=/", "after=\xe9"):
        for path in ("/static/page.js", "/sign-in", "/support/sign-in", "/v1/sources"):
            assert_small_no(ask(house.app, "GET", path, QUERY_STRING=query), (path, query))
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


STREAM_HEADERS = ["9" * 10_000, "-1", "a\rb", "x\u00e9", "0", "null"]


def test_a_stream_does_not_care_what_was_seen_last(house: House) -> None:
    path, cookie = f"/connect/{house.refs['robin']['interaction']}/live", house.cookies["robin"]
    plain = ask(house.app, "GET", path, cookie=cookie).body
    for value in STREAM_HEADERS:
        environ = {"HTTP_LAST_EVENT_ID": value.encode().decode("latin1"), "HTTP_ACCEPT": "text/html"}
        assert ask(house.app, "GET", path, cookie=cookie, **environ).body == plain
    assert ask(house.app, "HEAD", path, cookie=cookie).body == b""


WORDS = st.one_of(
    st.text(max_size=40), st.sampled_from(["", "..", "%00", "\r\nX-Evil: 1", "A" * 16, "1", "maple-and-main", CANARY])
)
NAMES = st.sampled_from(
    [
        "email",
        "password",
        "next",
        "source",
        "form",
        "prompt",
        "username",
        "f0",
        "f1",
        "q",
        "x_company_number",
        "_method",
    ]
)


@pytest.fixture(scope="module")
def fuzzed(stage: Stage) -> Iterator[House]:
    house = lived_in(built(stage))
    yield house
    close(house)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_whatever_is_asked_of_whatever_route(
    fuzzed: House, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    """Any method, path values, query, form, cookie and headers: a documented answer, and nothing above INFO in the log."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    rule = data.draw(st.sampled_from([r for r in fuzzed.app.url_map.iter_rules() if r.endpoint != "account.sign_out"]))
    refs = st.one_of(st.sampled_from(list(fuzzed.refs["robin"].values())), st.text(max_size=20))
    values = {name: percent(data.draw(refs)) for name in ("ref", "run_ref", "number", "filename")}
    cookie = data.draw(
        st.sampled_from([fuzzed.cookies["robin"], "", "gangway=x.y.z", "gangway=\xff; remember_token=x|\xe9"])
    )
    answers = {
        "method": data.draw(st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "OPTIONS"])),
        "path": filled(rule, **values),
        "form": data.draw(st.dictionaries(NAMES, WORDS, max_size=6)) | {"password": CANARY},
        "headers": data.draw(st.sampled_from([OURS, OURS, {}, {"Origin": "http://["}])),
        "QUERY_STRING": percent(data.draw(WORDS)) + "&q=" + percent(data.draw(WORDS)),
        "HTTP_COOKIE": cookie,
    }
    reply = ask(fuzzed.app, **answers)
    assert reply.status < 500 or reply.status == 503
    assert reply.status < 400 or len(reply.body) < 20_000
    assert b"Traceback" not in reply.body
    assert CANARY.encode() not in reply.body.replace(b'value="' + CANARY.encode(), b"")
    assert CANARY not in str(reply.headers) and CANARY not in caplog.text
    assert "X-Evil" not in reply.headers
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


def test_what_nobody_may_do_leaves_no_trace(house: House) -> None:
    before = everything(house)
    for rule in house.app.url_map.iter_rules():
        for method in ("POST", "PUT", "DELETE"):
            ask(house.app, method, filled(rule), headers=OURS, form={"email": "x", "password": CANARY})
    after = everything(house)
    assert CANARY not in str(after.pop("audit_entry")), "that somebody tried to sign in as staff is written down"
    before.pop("audit_entry")
    assert after == before


def test_a_table_name_in_a_form_drops_no_table(house: House) -> None:
    for form in ({"source": "x'; DROP TABLE person; --"}, {"source": "maple-and-main' OR '1'='1"}):
        path = f"/connect/{house.refs['robin']['pick']}/source"
        reply = ask(house.app, "POST", path, headers=OURS, form=form, cookie=house.cookies["robin"])
        assert reply.status == 404
