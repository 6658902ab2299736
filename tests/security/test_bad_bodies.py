"""Forms that are none: a small plain no, and never back what somebody typed as a secret."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from tests.people import Visitor
from tests.security.conftest import MAPLE, House, cookie_of
from tests.security.test_headers import assert_hardened
from tests.security.tools import FORM, OURS, Reply, ask

CANARY = "CANARY-8f14e45fceea167a5a36dedd4bea2543"
HERE = b"source=maple-and-main&"
MANY = b"&".join(b"f%d=1" % n for n in range(400_000))


def assert_small_no(reply: Reply, about: object = "") -> None:
    assert 400 <= reply.status < 500, (about, reply.status)
    assert len(reply.body) < 20_000, about
    assert b"Traceback" not in reply.body and b"werkzeug" not in reply.body and b'File "' not in reply.body, about
    assert CANARY not in reply.text and CANARY not in str(reply.headers), about
    assert_hardened(reply, about)


@pytest.fixture
def at_sign_in(own: House) -> tuple[House, Visitor, str]:
    """Robin in front of a sign-in form, and its address."""
    robin = own.visitor("robin@sample.example")
    robin.picks("Maple & Main Bank")
    return own, robin, robin.page.url.path + "/sign-in"


PART = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
USER = PART.format("source", "", "maple-and-main") + PART.format("username", "", "u")
FILE = PART.format("password", '; filename="p.txt"\r\nContent-Type: text/plain', CANARY)
JSON = f'{{"username": "u", "password": "{CANARY}"}}'.encode()
SECRET = f"password={CANARY}".encode()

BODIES = {
    "no source": (b"username=u&" + SECRET, FORM, 409),
    "another source": (b"source=northlight-power&username=u&" + SECRET, FORM, 409),
    "nothing but the source": (HERE, FORM, 422),
    "spaces only": (HERE + b"username=+++&password=" + CANARY.encode(), FORM, 422),
    "no password": (HERE + b"username=u", FORM, 422),
    "array password": (HERE + f"username=u&password[]={CANARY}&password[0]={CANARY}".encode(), FORM, 422),
    "nul in the username": (HERE + b"username=u%00&" + SECRET, FORM, 422),
    "nul in the password": (HERE + b"username=u&" + SECRET + b"%00", FORM, 422),
    "too long a password": (HERE + b"username=u&" + SECRET * 1 + b"a" * 1_024, FORM, 422),
    "too long a username": (HERE + b"username=" + b"u" * 1_025 + b"&" + SECRET, FORM, 422),
    "too much": (HERE + b"username=u&" + SECRET + b"a" * 16_000, FORM, 413),
    "400,000 fields": (MANY + b"&" + SECRET, FORM, 413),
    "8,000 fields": (HERE + b"a&" * 7_900 + SECRET, FORM, 422),
    "json": (JSON, "application/json", 409),
    "json called a form": (JSON, FORM, 409),
    "json called text": (JSON, "text/plain", 409),
    "xml": (f"<password>{CANARY}</password>".encode(), "application/xml", 409),
    "a file": ((USER + FILE + "--b--").encode(), "multipart/form-data; boundary=b", 422),
    "101 parts": ((PART.format("a", "", "1") * 101 + FILE + "--b--").encode(), "multipart/form-data; boundary=b", 413),
    "no boundary": (FILE.encode(), "multipart/form-data", 409),
    "never ends": (PART.format("password", "", CANARY).encode()[:-10], "multipart/form-data; boundary=b", 409),
    "a strange charset": (HERE + b"u=%ff&" + SECRET, FORM + "; charset=utf-7", 422),
    "bytes that are no text": (b"username=\xff\xfe&" + SECRET, FORM, 409),
    "no type": (SECRET, "", 409),
    "a broken type": (SECRET, "application/;=x\u00e9", 409),
}


@pytest.mark.parametrize(("body", "type", "status"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_sign_in(
    house: House, body: bytes, type: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    path, before = f"/connect/{house.refs['robin']['sign_in']}/sign-in", len(house.deck.objects("credentials"))
    caplog.set_level(logging.DEBUG)
    environ = {"CONTENT_TYPE": type.encode().decode("latin1")}
    reply = ask(house.app, "POST", path, headers=OURS, body=body, cookie=house.cookies["robin"], **environ)
    assert reply.status == status
    assert_small_no(reply)
    assert len(house.deck.objects("credentials")) == before
    assert CANARY not in caplog.text
    assert [r.message for r in caplog.records if r.levelno > logging.INFO] == []


SECRETS = [
    "  spaces  ",
    "\U0001f600\u202eabc",
    "a\r\nb",
    '{"a": 1}',
    "' OR 1=1 --",
    "+%20%00"[:6],
    "e\u0301",
    "=&;",
]


def test_a_secret_reaches_deck_exactly_as_it_was_typed(own: House) -> None:
    for number, secret in enumerate(SECRETS):
        robin = own.visitor(f"robin{number}@sample.example")
        robin.picks("Northlight Power")
        robin.presses("Sign in", username=secret, password=secret)
        assert robin.view() == "progress", secret
        kept = own.deck.objects("credentials")[-1]
        typed = secret.replace("\r\n", "\n").replace("\n", "\r\n")
        assert (kept["auth_credentials"]["username"], kept["_password"]) == (typed.strip(), typed)


def test_of_a_repeated_password_the_first_counts(at_sign_in: tuple[House, Visitor, str]) -> None:
    house, robin, path = at_sign_in
    body = HERE + b"username=u&password=first&password=second&username=v"
    assert ask(house.app, "POST", path, headers=OURS, body=body, cookie=cookie_of(robin)).status == 303
    assert [c["_password"] for c in house.deck.objects("credentials")] == ["first"]


def test_a_sign_in_that_lies_about_its_length_or_is_huge_is_not_read(at_sign_in: tuple[House, Visitor, str]) -> None:
    house, robin, path = at_sign_in

    class Endless(io.RawIOBase):
        taken = 0

        def readinto(self, buffer: Any) -> int:
            self.taken += len(buffer)
            assert self.taken <= 16_000, "it is read although it is too long"
            buffer[:] = b"a" * len(buffer)
            return len(buffer)

    for environ in ({"wsgi.input_terminated": True}, {"CONTENT_LENGTH": "99999999999"}, {"CONTENT_LENGTH": "16001"}):
        sent = {"CONTENT_LENGTH": "", "wsgi.input": Endless(), **environ}
        reply = ask(house.app, "POST", path, headers=OURS, cookie=cookie_of(robin), **sent)
        # Of a chunked body Werkzeug hands on what fits; the rest is never read, and the form is none.
        assert reply.status == (409 if "wsgi.input_terminated" in environ else 413)
        assert_small_no(reply)
        assert house.deck.objects("credentials") == []
    for length in ("abc", "-5", "1e3", "0x10"):
        short = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(SECRET)}
        assert_small_no(ask(house.app, "POST", path, headers=OURS, cookie=cookie_of(robin), **short), length)


ANSWERS = [
    {},
    {"prompt": "", "f0": "246810"},
    {"f0": "246810"},
    {"prompt": "PROMPT"},
    {"prompt": "PROMPT", "f0": ""},
    {"prompt": "PROMPT", "f0": "   "},
    {"prompt": "PROMPT", "f1": "246810"},
    {"prompt": "PROMPT", "code": "246810"},
    {"prompt": "PROMPT", "f0": CANARY * 300},
    {"prompt": "PROMPT", "f0": CANARY + "\x00"},
    {"prompt": "PROMPT\x00", "f0": CANARY},
    {"prompt": "prompt", "f0": CANARY},
    {"prompt": "PROMPT" * 500, "f0": CANARY},
]


def test_an_answer_that_is_none_leaves_the_question_open(own: House, caplog: pytest.LogCaptureFixture) -> None:
    robin = own.visitor("robin@sample.example")
    robin.signs_in_at(*MAPLE)
    own.deck.goes_on()
    robin.looks_again()
    prompt, path = robin.field("prompt").get("value", ""), robin.page.url.path
    caplog.set_level(logging.DEBUG)
    for given_form in ANSWERS:
        form = {name: value.replace("PROMPT", prompt) for name, value in given_form.items()}
        reply = ask(own.app, "POST", f"{path}/answer", headers=OURS, form=form, cookie=cookie_of(robin))
        assert reply.status in (409, 413, 422), given_form
        assert_small_no(reply, given_form)
    assert CANARY not in caplog.text
    assert robin.looks_again() == "interaction"
    assert robin.field("prompt").get("value") == prompt
    robin.presses("Continue", f0="2 4 6-8\u20131 0")
    own.deck.goes_on()
    assert robin.looks_again() == "outcome"
    late = ask(
        own.app, "POST", f"{path}/answer", headers=OURS, form={"prompt": prompt, "f0": CANARY}, cookie=cookie_of(robin)
    )
    assert late.status == 303 and CANARY not in late.text
