"""What is written down about people: one line for each thing that happened, never what they typed, never in their way."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from flask import Flask
from prometheus_client import REGISTRY

from tests.conftest import settings
from tests.log_reader import Reader
from tests.people import Deck, Visitor
from tests.processes import PATIENCE, answering, free_ports
from tests.security.tools import OURS, ask
from tests.test_programs import GANGWAY, gangway
from tests.test_programs import settings as environment
from webapp import create_app, logs, metrics, webhooks
from webapp.twin.world import World

BASE = {"ts", "level", "event", "logger", "build"}


@pytest.fixture(autouse=True)
def nobody_knocked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "seldom", logs.Seldom(10.0))
    metrics.tally.set(None)  # what an earlier story's request counted: all stories share one thread


# --- one line for each request and each piece of work ----------------------------------------------------------


def test_a_request_is_one_line_with_its_template_and_its_cost(robin: Visitor, reader: Reader) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    (line,) = [line for line in reader.of("request") if line["route"] == "/connect/<ref>/sign-in"]
    assert (line["method"], line["status"], line["outcome"]) == ("POST", 303, "ok")
    assert line["deck_calls"] == 2, "the sign-in and the run"
    assert line["db_calls"] > 5
    assert line["dur_ms"] >= line["db_ms"] > 0
    assert line["actor_type"] == "person"
    assert BASE < set(line) <= BASE | set(logs.KEYS)
    assert {one["actor_id_hash"] for one in reader.of("request") if "actor_id_hash" in one} == {line["actor_id_hash"]}
    assert len({one["request_id"] for one in reader.of("request")}) == len(reader.of("request"))


def test_a_call_that_deck_refused_is_named_as_deck_names_it(robin: Visitor, world: World, reader: Reader) -> None:
    world.faults.arm({"resource": "credentials", "operation": "create", "count": 1, "code": "source_blocked"})
    robin.picks("Northlight Power")
    robin.presses("Sign in", username="robin@sample.example", password="bright-light-7")
    (line,) = [line for line in reader.of("request") if line["route"] == "/connect/<ref>/sign-in"]
    assert line["err_code"] == "source_blocked" and line["deck_request_id"]


def test_nobody_gives_a_request_its_name(app: Flask, reader: Reader) -> None:
    ask(app, "GET", "/", headers={"X-Request-Id": "forged", "Request-Id": "forged", "traceparent": "00-forged-01"})
    assert "forged" not in "".join(reader.raw)


def test_the_request_id_a_host_is_told_is_the_one_in_the_log(app: Flask, reader: Reader) -> None:
    answer = ask(app, "GET", "/v1/connections")
    (line,) = reader.of("request")
    told = json.loads(answer.text)["request_id"]
    assert told == f"req_{line['request_id']}"


def test_what_is_asked_for_never_gets_in(app: Flask, robin: Visitor, reader: Reader) -> None:
    robin.picks("Northlight Power")
    ref = robin.page.url.path.split("/")[2]
    ask(app, "GET", f"/connect/{ref}", QUERY_STRING="q=canary", headers={"User-Agent": "canary", "Referer": "canary"})
    ask(app, "CANARY", "/canary/canary")
    text = "".join(reader.raw)
    assert "anary" not in text and "CANARY" not in text and ref not in text
    assert {(line["route"], line["method"]) for line in reader.of("request")[-1:]} == {("none", "other")}


def test_the_workers_work_is_a_line_each(robin: Visitor, deck: Deck, reader: Reader) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    deck.our_watchdog_looks()
    jobs = reader.of("job")
    assert {line["job"] for line in jobs} >= {"inbox", "run", "connection", "chore"}
    assert {line["outcome"] for line in jobs} == {"done"}
    assert all(line["deck_calls"] == 1 for line in jobs if line["job"] == "run")


def test_work_that_fails_says_so_without_saying_what(reader: Reader) -> None:
    with pytest.raises(ValueError, match="canary"), logs.job("run", 7):
        raise ValueError("canary")
    (line,) = reader.of("job")
    assert (line["outcome"], line["err_type"], line["job_id"]) == ("failed", "ValueError", 7)
    assert "canary" not in "".join(reader.raw)


# --- security events -------------------------------------------------------------------------------------------


def too_many(app: Flask) -> None:
    for _ in range(11):
        ask(app, "POST", "/sign-in", headers=OURS, form={"email": "a@b.example", "password": "wrong"})


def comes_back_after_signing_out(app: Flask) -> None:
    visitor = Visitor(app)
    visitor.signs_up("sam@sample.example")
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    visitor.posts("/sign-out")
    ask(app, "GET", "/connections", cookie=cookie)


HAPPENINGS: dict[str, Callable[[Flask], object]] = {
    "authn_login_fail": too_many,
    "authn_login_success": lambda app: Visitor(app).signs_up("sam@sample.example"),
    "excess_rate_limit_exceeded": too_many,
    "authz_fail": lambda app: ask(app, "POST", "/connect/start", headers=OURS),
    "malicious_csrf": lambda app: ask(app, "POST", "/sign-in", headers={"Sec-Fetch-Site": "cross-site"}),
    "input_validation_fail": lambda app: ask(app, "POST", "/sign-in", headers=OURS, body=b"x=" + b"a" * 20_000),
    "session_use_after_expire": comes_back_after_signing_out,
    "webhook_malformed": lambda app: ask(app, "POST", "/webhooks/deck", body=b"{}"),
}


@pytest.mark.parametrize("event", HAPPENINGS)
def test_what_concerns_security_has_its_usual_name(app: Flask, reader: Reader, event: str) -> None:
    HAPPENINGS[event](app)
    assert reader.of(event)
    assert "sample.example" not in "".join(reader.raw)


def test_a_second_tab_that_answers_too_late_is_noted(robin: Visitor, deck: Deck, reader: Reader) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    deck.goes_on()
    robin.looks_again()
    stale = robin.page
    robin.presses("Continue", f0="246810")
    robin.page = stale
    robin.presses("Continue", f0="246810")
    assert len(reader.of("sequence_fail")) <= 1  # Deck may have moved on already: then it is a plain 409
    assert "246810" not in "".join(reader.raw)


# --- lines -----------------------------------------------------------------------------------------------------

HOSTILE = [
    "a\nERROR forged",
    "\x1b[31mred",
    "x\u2028y\u2029z",
    "\u202egnp.exe",
    "\ud800",
    "a" * 5_000,
    "é\x00",
    "\r\n\r\n{}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_line_holds_it_is_one_line(text: str, reader: Reader) -> None:
    # Not through a logger: pytest would keep the text for its report, and a lone surrogate cannot be sent there.
    record = logging.LogRecord("gangway", logging.WARNING, __file__, 1, "Deck said %s", (text,), None)
    reader.emit(record)
    logs.event("authz_fail", reason=text)
    for raw in reader.raw:
        assert len(raw.splitlines()) == 1 and raw.isascii() and raw.isprintable()
        line = json.loads(raw)
        assert all(len(value) <= 256 for value in line.values() if isinstance(value, str))


def test_keys_that_are_not_on_the_list_are_dropped_and_counted(reader: Reader) -> None:
    logs.event("authz_fail", password="canary", status="not a number", reason="fine", count=True)
    (line,) = [line for line in reader.of("authz_fail") if line.get("reason") == "fine"]
    assert set(line) == {*BASE, "reason"}
    before = dropped_keys()
    reader.format(reader.records[-1])
    assert dropped_keys() - before == 3


def dropped_keys() -> float:
    return REGISTRY.get_sample_value("gangway_log_keys_dropped_total") or 0.0


@pytest.mark.parametrize(
    "secret",
    ["sk_live_abcDEF123", "whsec_c2VjcmV0+/=", "Authorization: Bearer abc.def-ghi", "robin+x@mail.sample.example"],
)
def test_what_looks_like_a_secret_is_taken_out(secret: str, reader: Reader) -> None:
    logging.getLogger("gangway").warning("it said %r", secret)
    assert "[removed]" in reader.of("log")[0]["message"]
    assert not any(part in reader.raw[0] for part in ("abcDEF123", "c2VjcmV0", "abc.def", "sample"))


def test_an_exception_is_a_type_and_a_place(reader: Reader) -> None:
    try:
        password = "canary"
        raise RuntimeError(f"with {password}")
    except RuntimeError:
        logging.getLogger("gangway").exception("run 7 could not be worked on")
    (line,) = reader.of("log")
    assert (line["message"], line["err_type"]) == ("run 7 could not be worked on", "RuntimeError")
    assert line["err_where"].startswith("tests/test_logs.py:")
    assert "canary" not in reader.raw[0]


def test_a_line_with_the_wrong_arguments_is_written_all_the_same() -> None:
    record = logging.makeLogRecord({"name": "gangway", "msg": "%s and %s", "args": ("one",)})
    assert json.loads(logs.Line().format(record))["message"] == "%s and %s"


def test_people_can_read_it_too() -> None:
    record = logging.makeLogRecord({"levelname": "INFO", "event": "authz_fail", "fields": {"reason": "a\nb"}})
    assert logs.Text().format(record).endswith(" info authz_fail reason=a b")


def test_the_error_pages_reference_is_in_the_log(database_url: str, reader: Reader) -> None:
    app = create_app(settings(database_url))
    app.add_url_rule("/breaks", view_func=lambda: 1 / 0)
    reply = ask(app, "GET", "/breaks")
    (line,) = reader.of("request")
    assert (reply.status, line["outcome"]) == (500, "failed")
    assert line["request_id"] in reply.text


# --- the way out -----------------------------------------------------------------------------------------------


def dropped() -> float:
    return REGISTRY.get_sample_value("gangway_log_dropped_total") or 0.0


def logged(sink: logs.Sink, count: int) -> None:
    sink.setFormatter(logs.Line())
    for number in range(count):
        sink.handle(logging.makeLogRecord({"event": "job", "fields": {"job": "x" * 200, "job_id": number}}))


def test_a_reader_that_stands_still_stops_nobody_and_what_it_misses_is_counted() -> None:
    reads, writes = os.pipe()
    sink, before, start = logs.Sink(writes, most=100), dropped(), time.monotonic()
    logged(sink, 3_000)
    assert time.monotonic() - start < 2
    assert dropped() - before > 2_000
    seen = b""
    while select.select([reads], [], [], 0.2)[0]:
        seen += os.read(reads, 65_536)
    lines = [json.loads(line) for line in seen.splitlines()]
    numbers = [line["job_id"] for line in lines]
    assert numbers == sorted(set(numbers)), "in order, and none of them torn"
    logged(sink, 1)
    assert select.select([reads], [], [], 5)[0], "it goes on where it can"


@pytest.mark.parametrize("broken", ["/dev/full", "closed"])
def test_a_full_disk_stops_nobody(broken: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    fd = os.open(broken, os.O_WRONLY) if broken != "closed" else writes
    sink, before = logs.Sink(fd), dropped()
    logged(sink, 50)
    sink.flush()
    logged(sink, 1)
    assert dropped() - before >= 50


@pytest.mark.slow
def test_the_served_app_answers_although_nobody_reads_its_log(tmp_path: Path) -> None:
    port = free_ports()
    environ = environment(tmp_path, port, free_ports())
    assert gangway("db", "upgrade", environ=environ).returncode == 0
    errors = (tmp_path / "errors.log").open("wb")
    serve = [*GANGWAY, "serve", "--web", "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(serve, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdout is not None
    try:
        answering(f"http://127.0.0.1:{port}/livez", process, tmp_path / "errors.log")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as robin:
            assert {robin.get("/livez").status_code for _ in range(600)} == {200}  # three times what a pipe holds
    finally:
        process.terminate()
        with process.stdout as out:
            read = out.read()
        process.wait(PATIENCE)
        errors.close()
    assert len(read) >= 60_000, "it was full"
    assert json.loads(read.splitlines()[0])["event"] in logs.EVENTS
