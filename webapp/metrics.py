"""What is counted, for Prometheus: each number where it happens, by a name of ours. No label ever holds a user, a run,
an address or a text from outside; docs/operators.md has the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from prometheus_client import Counter, Gauge, Histogram

from .streams import end_of

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
PATIENT = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
HUMAN = (5, 10, 20, 40, 60, 120, 300, 600)
LATE = (-60, -5, -1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600)

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

http_requests = Counter("gangway_http_requests", "Answers to people and programs.", ["method", "route", "status"])
http_seconds = Histogram("gangway_http_seconds", "Until the answer begins.", ["route"], buckets=QUICK)

webhooks = Counter("gangway_webhook", "Knocks at Deck's door, by what became of them.", ["result"])
webhook_ack = Histogram("gangway_webhook_ack_seconds", "Until Deck is thanked; it waits five.", buckets=QUICK)
webhook_refused_at = Gauge(
    "gangway_webhook_refused_timestamp_seconds",
    "When the latest one was refused.",
    ["reason"],
    multiprocess_mode="max",
)
event_lag = Histogram("gangway_event_lag_seconds", "From Deck's date of an event to its knock.", buckets=LATE)
parked = Counter("gangway_parked", "Events that led to nothing.", ["reason"])
events_missed = Counter("gangway_events_missed", "Events found in Deck's list that were never delivered.")
corrections = Counter("gangway_reconcile_corrections", "Runs that a sweep found changed: no webhook had told.")

intents = Counter("gangway_intents", "Writes at Deck that came to an end.", ["kind", "state"])
runs_over = Counter("gangway_runs_over", "Runs that ended.", ["status"])
interaction_expired = Counter("gangway_interaction_expired", "Questions nobody answered in time.")
answer_seconds = Histogram("gangway_interaction_answer_seconds", "From a question to its answer.", buckets=HUMAN)

deck_requests = Counter("gangway_deck_requests", "Calls to Deck; status 0 is no answer.", ["endpoint", "status"])
deck_latency = Histogram("gangway_deck_latency_seconds", "How long Deck took.", ["endpoint"], buckets=PATIENT)
clock_offset = Gauge(
    "gangway_clock_offset_seconds",
    "Deck's clock less ours, as its latest answer dates itself; to a second or so.",
    multiprocess_mode="mostrecent",
)

sse_clients = Gauge("gangway_sse_clients", "Open streams.", multiprocess_mode="livesum")
sse_ended = Counter("gangway_sse_ended", "Streams that ended, by how.", ["how"])
sse_delivery = Histogram("gangway_sse_delivery_seconds", "From the bell to the byte sent.", buckets=QUICK)

db_busy = Counter("gangway_db_busy", "Statements that failed because the database was locked or away.")
db_pool_wait = Histogram("gangway_db_pool_wait_seconds", "Until a connection was at hand.", buckets=QUICK)
log_dropped = Counter("gangway_log_dropped", "Log lines nobody took.")
log_keys_dropped = Counter("gangway_log_keys_dropped", "Keys that are not on the log's list.")


@dataclass(slots=True)
class Tally:
    """What one request or one piece of the worker's work has cost so far."""

    id: str = ""
    db_calls: int = 0
    db_seconds: float = 0.0
    deck_calls: int = 0
    deck_seconds: float = 0.0
    err_code: str = ""
    """Deck's word for the last call that failed, and its name for that request."""
    deck_request_id: str = ""


known_offset: float | None = None
"""The clock's, in this process; None before Deck has answered."""

tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


def webhook_refused(reason: str) -> None:
    webhooks.labels(reason).inc()
    webhook_refused_at.labels(reason).set(time.time())


def deck_answered(method: str, path: str, status: int, seconds: float, date: str = "") -> None:
    """A call to Deck is over: *path* as Deck knows it, *status* 0 without an answer, *date* its Date header."""
    endpoint = template(method, path)
    deck_requests.labels(endpoint, status).inc()
    deck_latency.labels(endpoint).observe(seconds)
    if (now := tally.get()) is not None:
        now.deck_calls += 1
        now.deck_seconds += seconds
    if date:
        note_clock(date, seconds)


def deck_refused(code: str, request_id: str) -> None:
    """A call to Deck failed, in Deck's words; both are empty when it said nothing."""
    if (now := tally.get()) is not None:
        now.err_code, now.deck_request_id = code, request_id


def template(method: str, path: str) -> str:
    """`POST tasks/{id}/run`: what is called, without what it is about."""
    parts = path.split("/")
    return f"{method} {'/'.join([parts[0], *(['{id}'] if parts[1:] else []), *parts[2:3]])}"


def note_clock(date: str, seconds: float) -> None:
    """The header counts whole seconds and was written while we waited: take the middle of both."""
    try:
        theirs = parsedate_to_datetime(date).timestamp() + 0.5
    except (ValueError, OverflowError):
        return
    global known_offset
    known_offset = theirs - (time.time() - seconds / 2)
    clock_offset.set(known_offset)


def run_over(status: str, *, unanswered: bool) -> None:
    runs_over.labels(status).inc()
    if unanswered:
        interaction_expired.inc()


def answered(asked_at: datetime) -> None:
    answer_seconds.observe((datetime.now(UTC) - asked_at).total_seconds())


def sse_sent(rang_at: float) -> None:
    """A change is on its way to the browser; *rang_at* is the bell's `time.monotonic()`, 0 when none rang."""
    if rang_at:
        sse_delivery.observe(time.monotonic() - rang_at)


def counted(frames: Iterator[bytes]) -> Iterator[bytes]:
    """The same stream, counted while it is open and by how it ended."""
    how, frame = "over", b""
    sse_clients.inc()
    try:
        for frame in frames:
            yield frame
        how = end_of(frame)
    except GeneratorExit:
        how = "dropped"
        raise
    finally:
        sse_clients.dec()
        sse_ended.labels(how).inc()
        close: Callable[[], None] = getattr(frames, "close", lambda: None)
        close()
