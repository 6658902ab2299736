"""Who may tell us things: messages Deck signed lately, and nobody else, however odd their headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from webapp.deck import BadSignature, Signatures

OLD = "whsec_" + base64.b64encode(b"the old secret, of 32 bytes.....").decode()
NEW = "whsec_" + base64.b64encode(b"the new secret, of 32 bytes.....").decode()
BODY = '{"id": "evt_1", "é": 1}'.encode()
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SIGNATURES = Signatures([NEW, OLD])


@pytest.fixture(autouse=True)
def at_ten() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def signed(*secrets: str, body: bytes = BODY, id: str = "evt_1", at: datetime = NOW) -> dict[str, str]:
    """What the library makes of *body*."""
    signatures = [Webhook(secret).sign(id, at, body.decode()) for secret in secrets or (NEW,)]
    stamp = str(int(at.timestamp()))
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": " ".join(signatures)}


def test_what_the_library_signs_is_authentic() -> None:
    headers = signed()
    assert SIGNATURES.check(BODY, headers) == "evt_1"
    Webhook(NEW).verify(BODY, headers)


def test_and_so_is_what_the_specification_describes() -> None:
    key, stamp = base64.b64decode(NEW.removeprefix("whsec_")), str(int(NOW.timestamp()))
    mac = hmac.new(key, b"msg.1." + stamp.encode() + b"." + BODY, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    headers = {"webhook-id": "msg.1", "webhook-timestamp": stamp, "webhook-signature": signature}
    assert SIGNATURES.check(BODY, headers) == "msg.1"


@pytest.mark.parametrize("secrets", [(NEW,), (OLD,), (NEW, OLD), (OLD, NEW)])
def test_both_secrets_count_while_they_change(secrets: tuple[str, ...]) -> None:
    assert SIGNATURES.check(BODY, signed(*secrets)) == "evt_1"


def test_a_secret_that_is_gone_does_not_count() -> None:
    with pytest.raises(BadSignature):
        Signatures([NEW]).check(BODY, signed(OLD))
    assert Signatures([NEW]).check(BODY, signed(OLD, NEW)) == "evt_1"


@pytest.mark.parametrize("seconds", [-299, -1, 0, 1, 299, 300, -300])
def test_five_minutes_either_way(seconds: int) -> None:
    assert SIGNATURES.check(BODY, signed(at=NOW + timedelta(seconds=seconds))) == "evt_1"


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_and_no_more(seconds: int) -> None:
    with pytest.raises(BadSignature):
        SIGNATURES.check(BODY, signed(at=NOW + timedelta(seconds=seconds)))


def test_signatures_of_other_versions_are_skipped() -> None:
    headers = signed()
    headers["webhook-signature"] = f"v1a,{'A' * 88} v2,{'B' * 44} " + headers["webhook-signature"]
    assert SIGNATURES.check(BODY, headers) == "evt_1"
    headers["webhook-signature"] = signed()["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(BadSignature):
        SIGNATURES.check(BODY, headers)


def test_sixteen_signatures_are_enough() -> None:
    good, other = signed()["webhook-signature"], "v1," + base64.b64encode(b"x" * 32).decode()
    for others, accepted in ((15, True), (16, False), (1_000, False)):
        headers = signed() | {"webhook-signature": " ".join([other] * others + [good])}
        if accepted:
            assert SIGNATURES.check(BODY, headers) == "evt_1"
        else:
            with pytest.raises(BadSignature):
                SIGNATURES.check(BODY, headers)


GOOD = "v1," + "A" * 43 + "="


@pytest.mark.parametrize(
    "signature",
    [
        *["", "garbage", "v1", "v1,", "v1,,", ",", "v1,a,b", "v1,abc", "v1,abcde", "v1,é", " ", "１,AAAA"],
        *[GOOD + " ", " " + GOOD, f"junk {GOOD}", f"{GOOD}  {GOOD}", f"{GOOD},{GOOD}", GOOD + "\n"],
        *["v1," + "=" * 44, "v1,_-" + "A" * 42, GOOD.upper(), "v1,'; DROP TABLE event; --", "v1," + "A" * 8_000],
    ],
)
def test_junk_for_a_signature(signature: str) -> None:
    refuses(signed() | {"webhook-signature": signature})


def test_junk_beside_a_good_signature() -> None:
    good = signed()["webhook-signature"]
    for junk in (f"garbage {good}", f"{good} ", f"{good},", f"v1,=== {good}", f"{good}\x00", good[:-1], good[3:]):
        refuses(signed() | {"webhook-signature": junk})


@pytest.mark.parametrize(
    "stamp",
    [
        *["", "nan", "inf", "-1", "1e9", "1.7e9", "1_7", "170_0000000", "١٧٦٣٦٣٢٨٠٠", "0x1", "9999999999999", "+1"],
        *["1 ", "1763632800.9", "1763632800000", " 1763632800", "1763632800\n", "9" * 8_000, "²"],
    ],
)
def test_junk_for_a_timestamp(stamp: str) -> None:
    refuses(signed() | {"webhook-timestamp": stamp})


def test_times_that_only_the_library_would_take() -> None:
    """Signed over the odd timestamp itself, so that only its form is wrong."""
    key = base64.b64decode(NEW.removeprefix("whsec_"))
    second = int(NOW.timestamp())
    arabic = "".join(chr(0x660 + int(digit)) for digit in str(second))
    for stamp in (f"{second}.9", f" {second}", f"{str(second)[:3]}_{str(second)[3:]}", arabic):
        for spelled in {stamp, str(second)}:
            mac = hmac.new(key, f"evt_1.{spelled}.".encode() + BODY, hashlib.sha256).digest()
            signature = f"v1,{base64.b64encode(mac).decode()}"
            refuses({"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": signature})


@pytest.mark.parametrize("id", ["", " ", "é", "a b", "a\nb", "x" * 129, "x" * 8_000, "evt/1", "evt_1\x00", "<b>"])
def test_junk_for_an_id_even_when_it_is_signed(id: str) -> None:
    refuses(signed(id=id))


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_every_header_is_needed(missing: str) -> None:
    headers = signed()
    del headers[missing]
    refuses(headers)


def test_not_a_byte_may_change() -> None:
    headers = signed()
    for body in (
        BODY + b" ",
        BODY.replace(b"evt_1", b"evt_2"),
        BODY.replace(b" ", b""),
        b"",
        b"\xff\xfe",
        b"{\xff\xfe",
    ):
        with pytest.raises(BadSignature):
            SIGNATURES.check(body, headers)
    refuses(headers | {"webhook-id": "evt_2"})
    refuses(headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)})


def test_a_dot_moved_between_id_and_body_does_not_pass() -> None:
    """`a.b` + body signs the same bytes as `a` + `b.body`; a body has to begin like an object."""
    stamp = str(int(NOW.timestamp()))
    key = base64.b64decode(NEW.removeprefix("whsec_"))
    mac = hmac.new(key, f"a.{stamp}.{stamp}.".encode() + BODY, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    moved = f"{stamp}.".encode() + BODY
    headers = {"webhook-id": "a", "webhook-timestamp": stamp, "webhook-signature": signature}
    Webhook(NEW).verify(moved, headers, json_parse=False)  # the library has no opinion
    with pytest.raises(BadSignature):
        SIGNATURES.check(moved, headers)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"x"', "\ufeff{}".encode(), b" {}"])
def test_only_objects_are_messages(body: bytes) -> None:
    with pytest.raises(BadSignature):
        SIGNATURES.check(body, signed(body=body))


def refuses(headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        SIGNATURES.check(BODY, headers)


odd = st.text(st.characters(exclude_categories=[]), max_size=60)
signature_like = st.lists(st.from_regex(r"(v1|v2|v1a|x)?,?[A-Za-z0-9+/=é]{0,50}"), max_size=4).map(" ".join)


@given(
    body=st.binary(max_size=100) | st.binary(max_size=100).map(lambda rest: b"{" + rest),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "webhook-id": odd | st.just("evt_1"),
            "webhook-timestamp": odd | st.integers().map(str) | st.just(str(int(NOW.timestamp()))),
            "webhook-signature": odd | signature_like | st.just(GOOD),
        },
    ),
)
def test_nothing_unsigned_gets_in_and_nothing_else_is_raised(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        SIGNATURES.check(body, headers)


@settings(max_examples=50)
@given(
    body=st.text(st.characters(exclude_categories=["Cs"])).map("{{{}}}".format).map(str.encode),
    id=st.from_regex(r"[A-Za-z0-9_.-]{1,128}", fullmatch=True),
    seconds=st.integers(-300, 300),
    secret=st.sampled_from([NEW, OLD]),
)
def test_we_agree_with_the_library_on_what_it_signed(body: bytes, id: str, seconds: int, secret: str) -> None:
    headers = signed(secret, body=body, id=id, at=NOW + timedelta(seconds=seconds))
    Webhook(secret).verify(body, headers, json_parse=False)
    assert SIGNATURES.check(body, headers) == id


# --- why not: for the operator, never for whoever knocks -----------------------------------------------------------


def reason_for(headers: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(BadSignature) as refused:
        SIGNATURES.check(body, headers)
    return refused.value.reason


def test_a_secret_that_is_not_ours_is_a_bad_signature() -> None:
    other = "whsec_" + base64.b64encode(b"another secret, of 32 bytes.....").decode()
    assert reason_for(signed(other)) == "bad_signature"
    assert reason_for(signed(), BODY + b" ") == "bad_signature"
    assert reason_for(signed(other, at=NOW - timedelta(hours=1))) == "bad_signature", "and not the clock's fault"


@pytest.mark.parametrize("secret", [NEW, OLD])
@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_the_right_secret_at_the_wrong_time_is_the_clocks_fault_or_a_recording(secret: str, seconds: int) -> None:
    assert reason_for(signed(secret, at=NOW + timedelta(seconds=seconds))) == "clock"


def test_a_time_beyond_any_calendar_is_no_clocks_fault() -> None:
    assert reason_for(signed() | {"webhook-timestamp": "9" * 12}) == "bad_signature"


def test_what_has_not_even_the_form_is_malformed_and_strangers_can_be_told_from_broken_proxies() -> None:
    for headers, looks_real in (({}, False), ({"webhook-id": "x"}, False), (signed() | {"webhook-id": "é"}, True)):
        with pytest.raises(BadSignature) as refused:
            SIGNATURES.check(BODY, headers)
        assert (refused.value.reason, refused.value.looks_real) == ("malformed", looks_real)
    assert reason_for(signed(body=b"[]"), b"[]") == "malformed"


def signed_bytes(body: bytes, at: datetime = NOW, secret: str = NEW) -> dict[str, str]:
    """What Deck would make of a body that is no text; the library cannot."""
    stamp = str(int(at.timestamp()))
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), f"evt_1.{stamp}.".encode() + body, "sha256")
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": signature}


NO_TEXT = b'{"id": "\xff\xfe"}'


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_what_deck_signed_is_authentic_even_when_it_is_no_text(secret: str) -> None:
    assert SIGNATURES.check(NO_TEXT, signed_bytes(NO_TEXT, secret=secret)) == "evt_1"
    assert reason_for(signed_bytes(NO_TEXT), NO_TEXT + b"\xff") == "bad_signature"
    assert reason_for(signed_bytes(NO_TEXT, NOW - timedelta(seconds=301)), NO_TEXT) == "clock"
