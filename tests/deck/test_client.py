"""What the client asks Deck, when it asks again, and what it makes of a no."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest
import stamina

from tests.deck.conftest import CREDENTIAL, RUN, Script, writes
from webapp.deck import (
    DeckBusy,
    DeckClient,
    DeckDown,
    DeckError,
    DeckRefused,
    DeckUnreadable,
    HeldBack,
    NotFound,
    StorageItem,
    holding_what_was_typed,
)
from webapp.deck.gate import OpenGate

ENVELOPE = {
    "errors": [{"type": "request", "code": "input_missing", "message": "m", "field": "input.price"}],
    "request_id": "req_1",
}


def test_every_write_says_what_it_wants_once_and_under_its_key(script: Script, client: DeckClient) -> None:
    for method, path, body, answer, call in writes(client):
        script.asked.clear()
        script.says(answer)
        call()
        (asked,) = script.asked
        assert (asked.method, asked.url) == (method, f"https://deck.example/v2/{path}")
        assert asked.headers["Idempotency-Key"] == "k"
        assert asked.headers["Authorization"] == "Bearer sk_live_canary"
        if body is None:
            assert asked.content == b""
        else:
            assert json.loads(asked.content) == body
            assert asked.headers["Content-Type"] == "application/json"


def test_every_request_has_a_name_and_wants_plain_bytes(script: Script, client: DeckClient) -> None:
    client.test()
    (asked,) = script.asked
    assert asked.url == "https://deck.example/v2/test"
    assert asked.headers["User-Agent"].startswith("Gangway/")
    assert asked.headers["Accept-Encoding"] == "identity"
    assert "Idempotency-Key" not in asked.headers


def test_reading(script: Script, client: DeckClient) -> None:
    script.says((200, RUN))
    assert client.get_run("trun_1").status == "queued"
    script.says((200, CREDENTIAL))
    assert client.get_credential("cred_1").status == "unverified"
    script.says((200, {"data": [CREDENTIAL], "has_more": False}))
    found = client.find_credential(source_id="src_1", external_id="a b&c")
    assert found is not None and found.id == "cred_1"
    script.says((200, {"id": "stor_1", "file_name": "a.pdf", "url": "https://files.example/x"}))
    assert client.get_file("stor_1").name == "a.pdf"
    assert [str(asked.url).removeprefix("https://deck.example/v2/") for asked in script.asked] == [
        "task-runs/trun_1?include=storage",
        "credentials/cred_1",
        "credentials?source_id=src_1&external_id=a+b%26c&limit=1",
        "storage/stor_1",
    ]


def test_nothing_found_is_none_and_no_list_at_all_is_an_error(script: Script, client: DeckClient) -> None:
    script.says((200, {"data": [], "has_more": False}))
    assert client.find_credential(source_id="src_1", external_id="k") is None
    for body in ({}, {"data": None}, {"data": {"id": "cred_1"}}):
        script.says((200, body))
        with pytest.raises(DeckUnreadable):
            client.find_credential(source_id="src_1", external_id="k")
        with pytest.raises(DeckUnreadable):
            list(client.sources())


def test_lists_are_read_page_by_page(script: Script, client: DeckClient) -> None:
    first = {"data": [{"id": "src_1"}, "junk"], "has_more": True, "next_cursor": "c/1"}
    script.says((200, first), (200, {"data": [{"id": "src_2"}], "has_more": False, "next_cursor": None}))
    assert [source.id for source in client.sources()] == ["src_1", "src_2"]
    assert [dict(asked.url.params) for asked in script.asked] == [{"limit": "100"}, {"limit": "100", "cursor": "c/1"}]


def test_a_list_without_an_end_is_left_some_time(script: Script, client: DeckClient) -> None:
    script.says((200, {"data": [], "has_more": True, "next_cursor": "again"}))
    assert list(client.tasks()) == []
    assert len(script.asked) == 100


def test_events_are_asked_for_since_a_moment(script: Script, client: DeckClient) -> None:
    script.says((200, {"data": [], "has_more": False}))
    assert list(client.events(created_after=datetime(2026, 11, 20, 9, 30, tzinfo=UTC))) == []
    assert script.asked[0].url.params["created_after"] == "2026-11-20T09:30:00.000000Z"


@pytest.mark.parametrize("id", ["../x", "a/b", "a?b", "%2e%2e", "", "x" * 256, "é", "a b", "a\n", ".."])
def test_an_id_that_leads_elsewhere_is_not_followed(script: Script, client: DeckClient, id: str) -> None:
    for call in (client.get_run, client.get_credential, client.get_file):
        with pytest.raises(DeckError):
            call(id)
    for call in (client.cancel_run, client.delete_credential):
        with pytest.raises(DeckError):
            call(id, key="k")
    with pytest.raises(DeckError):
        client.run_task(id, credential_id="cred_1", input=None, key="k")
    assert script.asked == []


# --- asking again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [httpx.ReadError("x"), httpx.ConnectError("x"), httpx.RemoteProtocolError("x"), httpx.ReadTimeout("x")]
    + [(status, {}) for status in (408, 429, 500, 501, 502, 503, 504, 520, 524)],
)
def test_what_may_pass_is_tried_again_with_the_same_key(script: Script, client: DeckClient, trouble: object) -> None:
    script.says(trouble, trouble, (200, RUN))  # type: ignore[arg-type]
    assert client.cancel_run("trun_1", key="same").id == "trun_1"
    assert script.keys == ["same"] * 3


def test_three_times_and_no_more(script: Script, client: DeckClient) -> None:
    script.says(httpx.ReadError("x"))
    with pytest.raises(DeckDown, match="no answer from Deck: ReadError"):
        client.cancel_run("trun_1", key="k")
    assert len(script.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_no_is_not_asked_again(script: Script, client: DeckClient, status: int) -> None:
    script.says((status, ENVELOPE))
    with pytest.raises(DeckRefused) as caught:
        client.cancel_run("trun_1", key="k")
    assert len(script.asked) == 1
    assert (caught.value.status, isinstance(caught.value, NotFound)) == (status, status == 404)


def test_a_full_deck_is_for_the_worker_to_ask_again(script: Script, client: DeckClient) -> None:
    script.says((429, {"errors": [{"type": "rate_limit", "code": "session_limit_exceeded"}]}))
    with pytest.raises(DeckBusy):
        client.run_task("task_1", credential_id="cred_1", input=None, key="k")
    assert len(script.asked) == 1


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which nobody waits for."""
    taken: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", taken.append)
    return taken


def busy(retry_after: str) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": retry_after}, content=b"{}")


def test_deck_says_how_long_to_wait(script: Script, client: DeckClient, naps: list[float]) -> None:
    script.says(busy("3"), (200, RUN))
    with stamina.set_testing(False):
        client.cancel_run("trun_1", key="k")
    assert naps == [3.0]


def test_nobody_waits_longer_than_there_is_patience(script: Script, client: DeckClient, naps: list[float]) -> None:
    script.says(busy("3600"))
    with stamina.set_testing(False), pytest.raises(DeckBusy) as caught:
        client.cancel_run("trun_1", key="k")
    assert (naps, len(script.asked), caught.value.retry_after) == ([], 1, 3600.0)


def test_what_somebody_typed_is_held_for_twenty_seconds(
    script: Script, client: DeckClient, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deck is busy, and then our own allowance is used up: that is waited for, and nothing has to be typed again."""
    allowed, held = iter([True, True, False, False, True]), HeldBack("used up")
    held.retry_after = 4.0

    def enter(gate: OpenGate) -> None:
        if not next(allowed):
            raise held

    monkeypatch.setattr(OpenGate, "enter", enter)
    script.says(busy("3"), busy("5"), (200, RUN))
    with stamina.set_testing(False), holding_what_was_typed():
        client.answer("trun_1", {"code": "1"}, key="k")
    assert naps == [3.0, 5.0, 4.0, 4.0]
    script.says(busy("21"))
    monkeypatch.undo()
    with stamina.set_testing(False), holding_what_was_typed(), pytest.raises(DeckBusy):
        client.answer("trun_1", {"code": "1"}, key="k")


@pytest.mark.parametrize("odd", ["", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400, "1.5", "nan", "²"])
def test_an_odd_wait_is_as_good_as_none(script: Script, client: DeckClient, naps: list[float], odd: str) -> None:
    script.says(httpx.Response(429, headers=[(b"Retry-After", odd.encode("latin-1"))]), (200, RUN))
    with stamina.set_testing(False):
        client.cancel_run("trun_1", key="k")
    assert len(naps) == 1 and naps[0] <= 3.0


# --- making sense of the answer ----------------------------------------------------------------------------------


def test_the_envelope(script: Script, client: DeckClient) -> None:
    script.says((422, ENVELOPE))
    with pytest.raises(DeckRefused) as caught:
        client.cancel_run("trun_1", key="k")
    error = caught.value
    assert (error.type, error.code, error.request_id) == ("request", "input_missing", "req_1")
    assert error.fields == {"input.price": "m"}
    assert str(error) == "Deck answered 422 input_missing to POST task-runs"


def test_the_form_of_a_400(script: Script, client: DeckClient) -> None:
    paths = {"auth_credentials.password": ["is required", "and short"], "x": "text", "y": [], "z": None}
    script.says((400, {"type": "uri", "title": "Invalid input", "errors": paths, "traceId": "00-ab"}))
    with pytest.raises(DeckRefused) as caught:
        client.cancel_run("trun_1", key="k")
    assert caught.value.fields == {"auth_credentials.password": "is required", "x": "text", "y": "[]", "z": ""}
    assert (caught.value.code, caught.value.request_id) == ("", "00-ab")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"", NotFound),
        (404, b"<html>not here</html>", NotFound),
        (502, b"<html>Bad gateway</html>", DeckDown),
        (418, b'{"errors": 7}', DeckRefused),
        (403, b'{"errors": []}', DeckRefused),
        (403, b'{"errors": ["text"]}', DeckRefused),
        (403, b'{"errors": [{"type": {}, "code": [1], "field": {"a": 1}, "message": null}]}', DeckRefused),
        (403, b"[" * 200_000, DeckRefused),
        (302, b"", DeckUnreadable),
        (304, b"", DeckUnreadable),
    ],
)
def test_other_refusals(script: Script, client: DeckClient, status: int, body: bytes, kind: type[DeckError]) -> None:
    script.says((status, body))
    with pytest.raises(kind) as caught:
        client.get_run("trun_1")
    assert type(caught.value) is kind
    assert caught.value.status == status


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"id": "trun_1", "stat', b"[]", b"null", b"7", b"\xff\xfe{}", b"{}", json.dumps([RUN]).encode()]
    + [json.dumps({**RUN, **wrong}).encode() for wrong in ({"id": 7}, {"id": ""}, {"updated_at": "soon"})]
    + [json.dumps({"errors": [{"type": "api"}], "request_id": "req_1"}).encode()],
)
def test_a_yes_that_makes_no_sense(script: Script, client: DeckClient, body: bytes) -> None:
    script.says((200, body))
    with pytest.raises(DeckUnreadable):
        client.get_run("trun_1")
    assert len(script.asked) == 1


def test_a_204_has_no_body(script: Script, client: DeckClient) -> None:
    script.says((204, b""))
    client.delete_credential("cred_1", key="k")
    with pytest.raises(DeckUnreadable):
        client.get_run("trun_1")


def test_news_of_another_object_is_not_taken_for_ours(script: Script, client: DeckClient) -> None:
    script.says((200, {**RUN, "id": "trun_2"}))
    for call in (
        lambda: client.get_run("trun_1"),
        lambda: client.cancel_run("trun_1", key="k"),
        lambda: client.answer("trun_1", {}, key="k"),
    ):
        with pytest.raises(DeckUnreadable):
            call()
    script.says((200, {**CREDENTIAL, "id": "cred_2"}))
    with pytest.raises(DeckUnreadable):
        client.get_credential("cred_1")


def test_a_file_is_fetched_without_our_key(script: Script, client: DeckClient) -> None:
    script.says((200, b"%PDF"))
    item = StorageItem("stor_1", "a.pdf", "application/pdf", 4, "https://files.example/a?signature=s")
    assert client.download(item) == b"%PDF"
    assert script.asked[0].url == item.url
    assert "Authorization" not in script.asked[0].headers


@pytest.mark.parametrize("url", ["http://[::1", "https://a:b", "file:///etc/passwd", "ftp://x", "https://\x00", ""])
def test_a_link_that_is_none(url: str) -> None:
    client = DeckClient(api_key="k", base_url="http://127.0.0.1:9/v2")
    with pytest.raises(DeckError):
        client.download(StorageItem("stor_1", "a", "", 0, url))


@pytest.mark.parametrize(
    "url", ["http://files.example/a", "HTTP://files.example/a", "http://169.254.169.254/latest", "/a"]
)
def test_a_file_is_never_fetched_in_plain_sight(script: Script, client: DeckClient, url: str) -> None:
    with pytest.raises(DeckUnreadable, match="https"):
        client.download(StorageItem("stor_1", "a", "", 0, url))
    assert script.asked == []


def test_a_deck_on_this_machine_may_give_plain_links(script: Script) -> None:
    """A twin has no certificate."""
    script.says((200, b"%PDF"))
    twin = DeckClient(api_key="k", base_url="http://127.0.0.1:9/v2", transport=httpx.MockTransport(script))
    assert twin.download(StorageItem("stor_1", "a", "", 4, "http://127.0.0.1:9/files/a")) == b"%PDF"


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_a_file_that_cannot_be_had(script: Script, client: DeckClient, status: int) -> None:
    script.says(httpx.Response(status, headers={"Location": "http://169.254.169.254/"}))
    with pytest.raises(DeckDown):
        client.download(StorageItem("stor_1", "a", "", 0, "https://files.example/a"))
    assert len(script.asked) == 1
