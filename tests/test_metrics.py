"""What is counted shows what happened, and says of nobody that it happened to them."""

from __future__ import annotations

import dataclasses
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import time_machine
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import TimeoutError

from tests.deck.line import Line
from tests.deck.test_client_bounds import Server, self_signed
from tests.people import Deck, Visitor
from tests.security.tools import OURS, ask
from webapp import metrics, streams
from webapp.db import CountedPool
from webapp.deck import DeckClient, DeckDown
from webapp.ops import figures
from webapp.ops.port import Port

USERNAME, PASSWORD, CODE = "4500123412341234", "maple-leaf-9", "246810"

pytestmark = pytest.mark.sqlite  # counts are read from files of the process that made them


class Scraper:
    """Prometheus, once in a while; what it saw is told as what has changed since the last time."""

    def __init__(self, app: Flask) -> None:
        self.http = httpx.Client(transport=httpx.WSGITransport(Port(app)), base_url="http://localhost")
        self.before = self.scrapes()

    def scrapes(self) -> dict[str, float]:
        self.text = self.http.get("/metrics").text
        families = text_string_to_metric_families(self.text)
        return {
            sample.name + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def sees(self, name: str) -> float:
        return self.scrapes().get(f"gangway_{name}", 0.0)

    def counts(self, name: str) -> float:
        """Since the start of the story: other stories have counted too."""
        return self.sees(name) - self.before.get(f"gangway_{name}", 0.0)


@pytest.fixture
def scraper(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Scraper:
    monkeypatch.setattr(figures, "KEPT", 0.0)
    return Scraper(app)


def connects(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", USERNAME, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    assert robin.looks_again() == "outcome"


def test_a_connected_account_can_be_followed_in_numbers(robin: Visitor, deck: Deck, scraper: Scraper) -> None:
    connects(robin, deck)
    assert scraper.counts("webhook_total result=kept") == len(deck.objects("event_deliveries")) > 3
    assert scraper.counts("webhook_ack_seconds_count") == scraper.counts("webhook_total result=kept")
    assert scraper.counts("event_lag_seconds_count") == scraper.counts("webhook_total result=kept")
    assert scraper.counts("deck_requests_total endpoint=POST credentials status=201") == 1
    assert scraper.counts("deck_requests_total endpoint=POST tasks/{id}/run status=201") == 1
    assert scraper.counts("deck_requests_total endpoint=POST task-runs/{id}/interaction status=200") == 1
    assert scraper.counts("deck_latency_seconds_count endpoint=GET task-runs/{id}") >= 2
    assert scraper.counts("intents_total kind=run.start state=done") == 1
    assert scraper.counts("intents_total kind=run.answer state=done") == 1
    assert scraper.counts("runs_over_total status=completed") == 1
    assert scraper.counts("interaction_answer_seconds_count") == 1
    sign_in = "method=POST route=/connect/<ref>/sign-in status=303"
    assert scraper.counts(f"http_requests_total {sign_in}") == 1


def test_what_waits_is_seen_while_it_waits(
    robin: Visitor, deck: Deck, scraper: Scraper, later: Callable[..., None]
) -> None:
    robin.signs_in_at("Maple & Main Bank", USERNAME, PASSWORD)
    assert scraper.sees("runs_open status=queued") + scraper.sees("runs_open status=new") == 1
    deck.goes_on()
    assert scraper.sees("interaction_open") == 1
    assert scraper.sees("run_staleness_seconds") < 60
    later(minutes=9)
    assert scraper.sees("run_staleness_seconds") >= 540
    deck.our_watchdog_looks()
    assert scraper.sees("run_staleness_seconds") < 60
    assert scraper.sees("destination_status") == 1
    assert scraper.sees("chore_age_seconds chore=events") < 60


def test_an_inbox_nobody_reads_grows_old(
    robin: Visitor, deck: Deck, scraper: Scraper, later: Callable[..., None]
) -> None:
    robin.signs_in_at("Maple & Main Bank", USERNAME, PASSWORD)
    deck._move(lambda event: False, timedelta(minutes=1))  # Deck knocks; our worker sleeps
    later(seconds=45)
    assert scraper.sees("inbox_backlog") > 0
    assert scraper.sees("inbox_oldest_age_seconds") >= 45
    deck.our_worker_works()
    assert (scraper.sees("inbox_backlog"), scraper.sees("inbox_oldest_age_seconds")) == (0, 0)


def test_a_write_nobody_confirms_is_pending_and_grows_old(
    app: Flask, world: object, robin: Visitor, scraper: Scraper, later: Callable[..., None]
) -> None:
    line = Line(app, world)  # type: ignore[arg-type]
    line.trouble("POST /v2/tasks/.*/run", "never arrives", times=50)
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    later(minutes=2)
    assert scraper.sees("intents_pending kind=run.start") == 1
    assert scraper.sees("intent_oldest_seconds") >= 120
    assert scraper.counts("deck_requests_total endpoint=POST tasks/{id}/run status=0") >= 3


def test_a_webhook_that_never_came_is_counted(robin: Visitor, deck: Deck, scraper: Scraper) -> None:
    deck.losing_webhooks = True
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    with time_machine.travel(deck.world.clock.now + timedelta(minutes=1)):  # Deck's days, so that a day is a day
        deck.our_watchdog_looks()
    assert scraper.counts("events_missed_total") > 0


def test_knocks_that_are_refused_are_told_apart(app: Flask, scraper: Scraper) -> None:
    ask(app, "POST", "/webhooks/deck", body=b"{}")
    ask(app, "POST", "/webhooks/deck", body=b"{" * 300_000)
    assert scraper.counts("webhook_total result=malformed") == 1
    assert scraper.counts("webhook_total result=too_large") == 1
    assert scraper.sees("webhook_refused_timestamp_seconds reason=malformed") > 0


def test_an_open_page_is_counted_and_so_is_how_it_ended(scraper: Scraper) -> None:
    watched = metrics.counted(iter([b"data: 1\n\n", b"event: over\n\n"]))
    next(watched)
    assert scraper.counts("sse_clients") == 1
    assert list(watched) and scraper.counts("sse_ended_total how=over") == 1
    gone = metrics.counted(iter([b"data: 1\n\n", b"data: 2\n\n"]))
    next(gone)
    gone.close()  # type: ignore[attr-defined]
    for end in (streams.farewell(), streams.brief(), streams.GIVEN_WAY):
        list(metrics.counted(iter([b"data: <p>\n\n", end])))
    for how in ("dropped", "farewell", "brief", "elsewhere", "over"):
        assert scraper.counts(f"sse_ended_total how={how}") == 1
    assert scraper.counts("sse_clients") == 0


def test_waiting_for_a_connection_is_counted_also_in_vain(scraper: Scraper, robin: Visitor) -> None:
    asked = scraper.counts("db_pool_wait_seconds_count")
    assert asked > 0, "every page that reads the database asks for one"
    pool = CountedPool(lambda: sqlite3.connect(":memory:"), pool_size=1, max_overflow=0, timeout=0.02)
    with closing(pool.connect()):
        waited = scraper.counts("db_pool_wait_seconds_sum")
        with pytest.raises(TimeoutError):
            pool.connect()
    pool.dispose()
    assert scraper.counts("db_pool_wait_seconds_sum") >= waited + 0.02


def test_the_certificate_visitors_are_shown_says_when_it_runs_out(app: Flask, tmp_path: Path) -> None:
    parts, server = app.extensions["gangway"], Server()
    server.tls = self_signed(tmp_path)

    def days_left(public_url: str) -> float | None:
        config = dataclasses.replace(parts.config, public_url=public_url)
        app.extensions["gangway"] = dataclasses.replace(parts, config=config)
        return Scraper(app).scrapes().get("gangway_cert_days_left")

    with closing(server):
        assert days_left(f"https://{server.address}") == pytest.approx(1.0, abs=0.01)
        with time_machine.travel(datetime.now(UTC) + timedelta(days=3)):
            assert days_left(f"https://{server.address}") == pytest.approx(-2.0, abs=0.01)
        assert days_left(f"http://{server.address}") is None
    assert days_left(f"https://{server.address}") is None, "nobody answers there"


def test_decks_clock_is_compared_with_ours(scraper: Scraper) -> None:
    dated = {"Date": "Sat, 21 Nov 2020 10:00:00 GMT"}
    there = httpx.MockTransport(lambda request: httpx.Response(200, stream=httpx.ByteStream(b"{}"), headers=dated))
    DeckClient(api_key="x", base_url="http://deck.localhost/v2", transport=there).test()
    assert scraper.sees("clock_offset_seconds") < -100_000_000
    for nonsense in ("", "soon", "Sat, 99 Nov 2020 10:00:00 GMT"):
        dated["Date"] = nonsense
        DeckClient(api_key="x", base_url="http://deck.localhost/v2", transport=there).test()


def test_deck_not_answering_is_a_status_too(scraper: Scraper) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way through")

    with pytest.raises(DeckDown):
        DeckClient(api_key="x", base_url="http://deck.localhost/v2", transport=httpx.MockTransport(away)).test()
    assert scraper.counts("deck_requests_total endpoint=GET test status=0") == 3


# --- and of whom it says nothing ---------------------------------------------------------------------------------

LABELS = {
    "result": r"kept|repeated|unreadable|bad_signature|clock|malformed|too_large|not_kept",
    "reason": r"bad_signature|clock|malformed|unknown|unreadable|poison",
    "method": r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|other",
    "route": r"none|/([a-z0-9._-]+|<[a-z_:]+>|/)*",
    "status": r"[1-5][0-9]{2}|0|new|queued|running|interaction_required|review_required|cancelling|completed|failed|canceled|other",
    "endpoint": r"(GET|POST|PATCH|DELETE) [a-z-]+(/\{id\}(/[a-z]+)?)?",
    "kind": r"(credential|run)\.[a-z]+",
    "state": r"done|refused|lost",
    "chore": r"[a-z]+",
    "setting": r"[A-Z_]+",
    "how": r"over|farewell|brief|elsewhere|dropped",
    "le": r"[-+0-9.e]+|\+Inf",
}


def test_no_label_ever_tells_about_somebody(app: Flask, robin: Visitor, deck: Deck, scraper: Scraper) -> None:
    connects(robin, deck)
    ref = robin.page.url.path.split("/")[2]
    ask(app, "CANARY", "/canary", QUERY_STRING="canary")
    ask(app, "GET", f"/connect/{ref}canary", headers=OURS)
    scraped = scraper.scrapes()
    for canary in ("canary", "sample.example", USERNAME, PASSWORD, CODE, ref, "Maple", "trun_", "cred_", "localhost"):
        assert canary.lower() not in scraper.text.lower(), canary
    ours = [name for name in scraped if name.startswith("gangway_")]
    assert len(ours) > 50
    for family in text_string_to_metric_families(scraper.text):
        for sample in family.samples if family.name.startswith("gangway_") else ():
            for label, value in sample.labels.items():
                assert re.fullmatch(LABELS[label], value), f"{sample.name} {label}={value}"
