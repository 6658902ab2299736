"""Deck busy, failing, unreachable, or talking nonsense: what people notice of it, and what Deck notices of us."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
from flask import Flask
from sqlalchemy import update

import webapp.budget
from tests.deck.line import Line
from tests.deck.once import BANK, CARD, CODE, PASSWORD, Later, everything_went_well, happened, intents, looks
from tests.deck.test_client_bounds import Server
from tests.people import Deck, Visitor
from webapp.budget import REST_SECONDS, TROUBLE, Budget
from webapp.db import db, now, writing
from webapp.deck import DeckClient
from webapp.limits import Window
from webapp.models import Connection, Run
from webapp.twin.world import World

CALLS = ["credentials.create", "task_runs.create", "task_runs.interaction", "task_runs.cancel", "credentials.delete"]
READS = ["task_runs.get", "credentials.get", "credentials.list"]


def breaks(world: World, call: str, times: int, **how: Any) -> None:
    """Deck answers the next *times* calls of this kind so; for ever when it is 0."""
    resource, operation = call.split(".")
    world.faults.arm({"resource": resource, "operation": operation, "count": times or None, **how})


def whole_journey(robin: Visitor, deck: Deck, later: Later, is_over: Callable[[], object]) -> None:
    """Sign in, answer, see the result, start again and stop, disconnect: with whatever is typed twice if need be.

    *is_over* ends the trouble; it is called when a person would have gone for a coffee, if that has to be.
    """

    def waits() -> None:
        later(seconds=20)
        deck.our_worker_works()
        deck.lets_pass(seconds=20)

    robin.signs_in_at(BANK, CARD, PASSWORD)
    nothing_worse_than_words(robin)
    waits()
    is_over() if looks(robin) == "sign_in" else None
    if looks(robin) == "sign_in":
        robin.presses("Sign in", username=CARD, password=PASSWORD)
    waits()
    if looks(robin) != "interaction":
        is_over()
        later(minutes=6)
        waits()
    assert looks(robin) == "interaction", robin.sees()
    robin.presses("Continue", f0=CODE)
    nothing_worse_than_words(robin)
    waits()
    if looks(robin) != "outcome":
        is_over()
        later(minutes=6)
        waits()
    everything_went_well(robin, deck, later)
    robin.opens("/connections")
    robin.presses(BANK)
    robin.presses("Refresh")
    nothing_worse_than_words(robin)
    if robin.view() == "progress":
        robin.presses("Stop")
        nothing_worse_than_words(robin)
    is_over()
    later(minutes=6)
    waits()
    robin.opens("/connections")
    robin.presses(BANK)
    robin.presses("Disconnect")
    robin.presses("Disconnect")
    nothing_worse_than_words(robin)
    later(minutes=6)
    waits()


def nothing_worse_than_words(robin: Visitor) -> None:
    """A page in plain words: never a bare error, never a trace."""
    assert robin.page.status_code in (200, 409, 502), robin.page.status_code
    assert "Something went wrong on our side" not in robin.page.text
    assert "Traceback" not in robin.page.text


def one_of_everything(deck: Deck) -> None:
    assert [c["status"] for c in deck.objects("credentials") if c["status"] != "deleted"] == []
    assert "pending" not in [state for _, state in intents(deck.app)]
    assert happened(deck, "task_run.completed") == 1
    assert happened(deck, "task_run.queued") == sum(kind == "run.start" for kind, _ in intents(deck.app))
    assert happened(deck, "credential.deleted") == happened(deck, "credential.created")


# --- busy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "times"),
    [(call, 4) for call in CALLS]
    + [pytest.param(call, times, marks=pytest.mark.slow) for call in CALLS for times in (1, 0)]
    + [pytest.param(call, times, marks=pytest.mark.slow) for call in READS for times in (1, 4, 0)],
)
def test_r07_busy_means_later_and_nothing_else(
    robin: Visitor, deck: Deck, world: World, line: Line, later: Later, call: str, times: int
) -> None:
    """429 once, for a while, and until somebody has had a coffee."""
    breaks(world, call, times, status=429, code="rate_limit_exceeded")
    whole_journey(robin, deck, later, lambda: bool(world.faults.clear()))
    one_of_everything(deck)


@pytest.mark.parametrize("call", ["credentials.create", "task_runs.get", "task_runs.interaction"])
def test_r07_nothing_is_typed_twice_while_deck_is_busy_for_a_moment(
    robin: Visitor, deck: Deck, world: World, line: Line, call: str
) -> None:
    """What waits for Deck is tried as often as fits into twenty seconds, which pass at once here."""
    robin.picks(BANK)
    with stamina.set_testing(True, attempts=9, cap=True):
        breaks(world, call, 5, status=429, code="rate_limit_exceeded") if call == "credentials.create" else None
        robin.presses("Sign in", username=CARD, password=PASSWORD)
        deck.goes_on()
        assert looks(robin) == "interaction"
        breaks(world, call, 5, status=429, code="rate_limit_exceeded") if call != "credentials.create" else None
        robin.presses("Continue", f0=CODE)
    deck.goes_on()
    assert looks(robin) == "outcome" and f"{BANK} is connected" in robin.sees()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "times"), [(500, 3), (502, 3), (504, 3), (503, 1), (503, 0)])
@pytest.mark.parametrize("call", [*CALLS, *READS])
def test_r08_whatever_fails_is_finished_once(
    robin: Visitor, deck: Deck, world: World, line: Line, later: Later, call: str, status: int, times: int
) -> None:
    breaks(world, call, times, status=status)
    whole_journey(robin, deck, later, lambda: bool(world.faults.clear()))
    one_of_everything(deck)


@pytest.mark.parametrize("call", CALLS)
def test_r08_done_but_answered_with_a_500_is_done_once(
    robin: Visitor, deck: Deck, world: World, line: Line, later: Later, call: str
) -> None:
    breaks(world, call, 1, status=500, when="after")
    whole_journey(robin, deck, later, lambda: bool(world.faults.clear()))
    one_of_everything(deck)


# --- out of reach ------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(app: Flask) -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("how", ["refused", "no such name", "bad certificate"])
def test_r09_out_of_reach_is_waited_out(
    asked: Visitor,
    app: Flask,
    deck: Deck,
    later: Later,
    nobody: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Robin still sees the question, and once Deck is there again it goes on."""
    parts = app.extensions["gangway"]
    base_url = f"http://{nobody.address}/v2"
    if how == "refused":
        with socket.create_server(("127.0.0.1", 0)) as gone:
            base_url = f"http://127.0.0.1:{gone.getsockname()[1]}/v2"
    elif how == "no such name":
        base_url = "http://deck.invalid/v2"
        resolve = socket.getaddrinfo

        def unknown(host: Any, *rest: Any, **named: Any) -> Any:
            if host == "deck.invalid":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return resolve(host, *rest, **named)

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    else:
        base_url = base_url.replace("http:", "https:")  # whoever answers there cannot show a certificate
        nobody.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    budget = Budget(Window())
    away = DeckClient(api_key="k", base_url=base_url, patience=2.0, gate=budget)
    app.extensions["gangway"] = dataclasses.replace(parts, deck=away, budget=budget)
    visit = asked.page.url.path
    for _ in range(3):
        asked.presses("Continue", f0=CODE)
        assert asked.page.status_code == 502
        assert "Please type it once more" in asked.sees() and asked.view() == "interaction"
    assert budget.is_in_trouble, "after a few failures nobody knocks any more"
    assert asked.opens("/connections").status_code == 200
    app.extensions["gangway"] = parts
    asked.opens(visit)
    everything_went_well(asked, deck, later)


def test_r09_deck_is_tried_again_by_one_call_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(
        webapp.budget, "time", type("Time", (), {"monotonic": lambda: clock[0], "sleep": lambda s: None})
    )
    tried: list[float] = []

    def nowhere(request: httpx.Request) -> httpx.Response:
        tried.append(clock[0])
        raise httpx.ConnectError("refused")

    client = DeckClient(
        api_key="k", base_url="http://d/v2", gate=Budget(Window()), transport=httpx.MockTransport(nowhere)
    )
    for _ in range(600):
        with pytest.raises(Exception, match=r"Deck|allowance"):
            client.test()
        clock[0] += 0.1
    later = [t for t in tried if t > tried[TROUBLE - 1]]
    assert all(b - a >= REST_SECONDS - 0.001 for a, b in itertools.pairwise(later))
    assert 10 <= len(later) <= 12, "a minute of it"


def bent(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """*told* with each of its fields missing, of another type, and with one nobody knows."""
    for name in told:
        gone = copy.deepcopy(told)
        del gone[name]
        yield f"no {name}", gone
        for other in (None, 7, "levitating", [], {"x": 1}, True, [None], "9" * 5_000):
            yield f"{name}={other!r:.20}", {**copy.deepcopy(told), name: other}
    yield "one more", {**told, "future": {"x": [1]}}
    yield "a list", [told]
    yield "another's", {**told, "id": "trun_somebody_elses"}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["GET /v2/task-runs/", "GET /v2/credentials/"])
def test_r40_nonsense_from_deck_is_never_shown_and_soon_forgotten(
    asked: Visitor, deck: Deck, line: Line, later: Later, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, bends = line.handle_request, [""]
    told: list[dict[str, Any]] = []

    def bending(request: httpx.Request) -> httpx.Response:
        answer = handle(request)
        if not f"{request.method} {request.url.path}".startswith(what):
            return answer
        content = answer.read()
        told.append(json.loads(content))
        bent_one = dict(bent(told[0])).get(bends[0], told[0]) if bends[0] else json.loads(content)
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(json.dumps(bent_one).encode()))

    monkeypatch.setattr(line, "handle_request", bending)

    def looks_at_both() -> None:
        with deck.app.app_context(), writing():
            db.session.execute(update(Run).where(Run.status != "completed").values(due_at=now(), lease_until=None))
            db.session.execute(update(Connection).values(due_at=now(), lease_until=None))
        deck.our_worker_works()

    looks_at_both()
    names = [name for name, _ in bent(told[0])]
    assert len(names) > 80
    for name in names:
        bends[0] = name
        looks_at_both()
        if names.index(name) % 10 == 0:
            looks(asked)
            assert asked.page.status_code == 200, name
            assert "levitating" not in asked.page.text
    bends[0] = ""
    looks_at_both()
    if looks(asked) == "interaction":
        everything_went_well(asked, deck, later)
    assert looks(asked) == "outcome", "and in the end it is as Deck has it"


@pytest.mark.parametrize("stops", [False, True])
def test_r40_a_run_that_began_with_words_nobody_understands_is_found_in_decks_list(
    robin: Visitor, deck: Deck, world: World, line: Line, later: Later, stops: bool
) -> None:
    """And its key would bring the same words for a day, while Robin reads that it is in line."""
    world.clock.now = datetime.now(UTC)
    fault = {"type": "malformed", "how": "missing_fields", "fields": ["id"]}
    world.faults.arm({"resource": "task_runs", "operation": "create", "effect": fault})
    deck.losing_webhooks = True
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert looks(robin) == "progress"
    if stops:
        robin.presses("Stop")
    for _ in range(3):
        later(seconds=31)
        deck.our_worker_works()
        deck.lets_pass(seconds=10)
    assert happened(deck, "task_run.queued") == 1
    if stops:
        assert [run["status"] for run in deck.objects("task_runs")] == ["canceled"]
    else:
        assert looks(robin) == "interaction"


def test_r42_while_everything_fails_we_add_a_tenth_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of failures that never trips the breaker: every other call of a person's fails, all of the retries."""
    sent: list[str] = []

    def fails(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        return httpx.Response(500, stream=httpx.ByteStream(b""))

    monkeypatch.setattr(webapp.budget, "TROUBLE_SECONDS", 0.0)
    monkeypatch.setattr(webapp.budget.ALL, "amount", 10_000)
    client = DeckClient(
        api_key="k", base_url="http://d/v2", gate=Budget(Window()), transport=httpx.MockTransport(fails)
    )
    wanted = 1_000
    for _ in range(wanted):
        with pytest.raises(Exception, match="Deck"):
            client.test()
    assert len(sent) <= 1.1 * wanted + 2 * webapp.budget.RETRY_PURSE + 2
