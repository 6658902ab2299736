"""`gangway doctor`: looks at everything an installation needs, and says of each what is wrong and what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook

from .. import metrics
from ..catalog import BadCatalog, read_catalog
from ..config import LIVE_DECK
from ..current import config, deck, vault
from ..db import db, now
from ..deck import DeckError, DeckRefused, NotFound
from ..models import Chore, Run, Source, Task
from ..sync import WANTED_EVENTS
from ..vault import Unsealable
from .health import WITHIN, compared, write_something

Status = Literal["ok", "warn", "fail"]

BODY = (
    b'{"id":"evt_gangway_doctor","object":"event","type":"gangway.doctor",'
    b'"created_at":"2026-01-01T00:00:00Z","data":{}}'
)
"""Always the same event, so that however often the doctor knocks, the inbox keeps one."""
ID = "evt_gangway_doctor"

CLOCK_WARN, CLOCK_FAIL = 5.0, 240.0
WORKER_QUIET = timedelta(minutes=5)
SAMPLE = 200


@dataclass(frozen=True)
class Finding:
    """One line of the report; *todo* is what the operator should do about it."""

    check: str
    status: Status
    what: str
    todo: str = ""


def examine(http: httpx.Client) -> Iterator[Finding]:
    """Every check, one after the other; *http* reaches our own doors. A check that breaks is a finding too."""
    for check in CHECKS:
        try:
            yield from check(http)
        except Exception as error:
            name, what = check.__name__.replace("_", " "), f"could not be examined: {type(error).__name__}"
            yield Finding(name, "fail", what, "Put the other findings right first.")


# --- Deck ------------------------------------------------------------------------------------------------------


def key(http: httpx.Client) -> Iterator[Finding]:
    try:
        deck().test()
    except NotFound:
        what = f"{config().deck_base_url} answers 404, which Deck does not"
        yield Finding("key", "fail", what, f"Is DECK_BASE_URL right? It ends in /v2; live Deck's is {LIVE_DECK}.")
    except DeckRefused as error:
        yield Finding("key", "fail", f"Deck refuses it ({error.status})", "Set DECK_API_KEY to a key that is active.")
    except DeckError as error:
        yield Finding("key", "fail", f"Deck could not be asked: {error}", "Is DECK_BASE_URL right, and reachable?")
    else:
        yield Finding("key", "ok", "Deck takes it")


def clock(http: httpx.Client) -> Iterator[Finding]:
    """As the answer to `key` dated itself."""
    off = metrics.known_offset
    if off is None:
        yield Finding("clock", "warn", "Deck did not say what time it is", "Make sure this machine's clock is set.")
    elif abs(off) < CLOCK_WARN:
        yield Finding("clock", "ok", f"within {CLOCK_WARN:.0f} seconds of Deck's")
    else:
        status: Status = "fail" if abs(off) >= CLOCK_FAIL else "warn"
        way = "behind" if off > 0 else "ahead of"
        todo = "Set this machine's clock (NTP): webhooks more than 300 seconds off are refused."
        yield Finding("clock", status, f"{abs(off):.0f} seconds {way} Deck's", todo)


def destination(http: httpx.Client) -> Iterator[Finding]:
    url, sync = config().webhook_url, "Run `gangway deck sync`."
    try:
        found = next((one for one in deck().destinations() if one.url == url), None)
    except DeckError as error:
        yield Finding("destination", "fail", f"Deck could not be asked: {error}")
        return
    missing = set(WANTED_EVENTS) - set(found.events) if found else set()
    if found is None:
        yield Finding("destination", "fail", f"Deck has none for {url}", sync)
    elif found.status != "active":
        todo = f"{sync} If it happens again, the line `webhook` below or the log tells why we refuse webhooks."
        yield Finding("destination", "fail", f"it is {found.status}", todo)
    elif missing and "*" not in found.events:
        yield Finding("destination", "warn", f"it lacks {len(missing)} kinds of event", sync)
    else:
        yield Finding("destination", "ok", f"active, for {url}")


def webhook(http: httpx.Client) -> Iterator[Finding]:
    """Knock at our own door as Deck would, with each secret."""
    for number, secret in enumerate(config().deck_webhook_secrets, start=1):
        yield knock(http, secret, number)


def knock(http: httpx.Client, secret: str, number: int) -> Finding:
    url, which = config().webhook_url, f"secret {number}"
    second = datetime.fromtimestamp(int(time.time()), UTC)
    signature = Webhook(secret).sign(ID, second, BODY.decode())
    headers = {"webhook-id": ID, "webhook-timestamp": str(int(second.timestamp())), "webhook-signature": signature}
    try:
        status = http.post(url, content=BODY, headers={**headers, "Content-Type": "application/json"}).status_code
    except httpx.HTTPError as error:
        what = f"{url} cannot be reached from here ({type(error).__name__})"
        return Finding("webhook", "warn", what, "Is the app running? If so, try from outside: Deck has to reach it.")
    if status == 204:
        return Finding("webhook", "ok", f"{which} is taken at {url}")
    todo = {
        401: "What is served there runs with other secrets, or its clock is off: restart it with these settings.",
        400: "What is served there has another PUBLIC_URL.",
        404: "PUBLIC_URL leads elsewhere, or to a process that does not serve webhooks: look at the proxy's rules.",
        503: "Its database does not take writes: see `database`.",
    }
    redirects = "Deck does not follow redirects: give PUBLIC_URL as it is in the end."
    fallback = redirects if 300 <= status < 400 else "Only 2xx counts with Deck: see the log of what is served there."
    return Finding("webhook", "fail", f"{which}: {url} answers {status}", todo.get(status, fallback))


def refused(http: httpx.Client) -> Iterator[Finding]:
    """What the running process has refused lately; only it knows."""
    if not config().ops_bind:
        yield Finding("refused", "ok", "unknown: set OPS_BIND to have webhooks we refused told here")
        return
    try:
        told = http.get(f"http://{config().ops_bind}/healthz").json()["webhooks_refused"]
    except (httpx.HTTPError, ValueError, KeyError):
        yield Finding("refused", "warn", f"nobody answers at OPS_BIND {config().ops_bind}", "Is the app running?")
        return
    advice = {
        "bad_signature": "Deck signs with another secret than ours: run `gangway deck sync`.",
        "clock": "Rightly signed, at another time: a clock is wrong, or somebody plays a recording.",
        "malformed": "Strangers' junk, unless a proxy changes headers or bodies.",
    }
    for reason, seen in told.items():
        what = f"{reason}: {seen.get('count', 0):.0f} since the start, the latest {seen.get('seconds_ago')} seconds ago"
        yield Finding("refused", "ok" if reason == "malformed" else "warn", what, advice.get(reason, ""))
    if not told:
        yield Finding("refused", "ok", "no webhook since the start")


# --- ourselves -------------------------------------------------------------------------------------------------


def database(http: httpx.Client) -> Iterator[Finding]:
    place, start = config().database_place, time.monotonic()
    try:
        revision = write_something()
    except SQLAlchemyError as error:
        todo = "Is DATABASE_URL right, the server there, the disk not full?"
        yield Finding("database", "fail", f"{place} takes no writes: {type(error).__name__}", todo)
        return
    except Exception as error:
        if "no such table" not in str(error):
            raise
        yield Finding("database", "fail", f"{place} has no tables", "Run `gangway db upgrade`.")
        return
    took = time.monotonic() - start
    what = f"{db.engine.dialect.name}, wrote in {took * 1_000:.0f} ms: {place}"
    yield Finding("database", "ok" if took < WITHIN else "warn", what, "" if took < WITHIN else "It is slow.")
    state = compared(revision)
    behind = "Run `gangway db upgrade`." if state == "behind" else ""
    yield Finding("migrations", "fail" if state == "behind" else "ok", state, behind)
    if db.engine.dialect.name == "sqlite":
        mode = db.session.connection().exec_driver_sql("PRAGMA journal_mode").scalar()
        sync = db.session.connection().exec_driver_sql("PRAGMA synchronous").scalar()
        is_fine = (mode, sync) == ("wal", 2)
        todo = "" if is_fine else "Keep the file on a local disk: WAL does not work over a network."
        yield Finding("durability", "ok" if is_fine else "fail", f"journal {mode}, synchronous {sync}", todo)


def redis(http: httpx.Client) -> Iterator[Finding]:
    if not config().redis_url:
        apart, todo = config().may_have_peers, "Set REDIS_URL: changes reach pages at once, limits hold for all."
        what = "not used: each process takes a third of Deck's budget" if apart else "not used"
        yield Finding("redis", "ok", what, todo if apart else "")
        return
    from redis import Redis, RedisError

    try:
        with Redis.from_url(config().redis_url, socket_timeout=1.0, socket_connect_timeout=1.0) as there:
            there.ping()
    except (RedisError, OSError) as error:
        todo = "Until it is back, pages change up to 2 seconds late and each process counts limits by itself."
        yield Finding("redis", "warn", f"does not answer: {type(error).__name__}", todo)
    else:
        yield Finding("redis", "ok", "answers")


def catalog(http: httpx.Client) -> Iterator[Finding]:
    try:
        wanted = read_catalog(config().catalog)
    except BadCatalog as error:
        yield Finding("catalog", "fail", str(error), "Correct the file named by CATALOG.")
        return
    offered = {*db.session.scalars(select(Source.slug).filter_by(offered=True))}
    tasks = {*db.session.scalars(select(Task.slug).filter_by(offered=True))}
    if offered != {entry.slug for entry in wanted.sources} or tasks != {entry.slug for entry in wanted.tasks}:
        yield Finding("catalog", "warn", "the file has changed since it was applied", "Run `gangway deck sync`.")
    else:
        yield Finding("catalog", "ok", f"{len(offered)} sources, {len(tasks)} tasks")


def vault_keys(http: httpx.Client) -> Iterator[Finding]:
    """Whether the newest and the oldest results open."""
    sealed = select(Run).where(Run.sealed_output.is_not(None))
    runs = {
        run.id: run
        for end in (Run.id.desc(), Run.id.asc())
        for run in db.session.scalars(sealed.order_by(end).limit(SAMPLE))
    }
    lost = {key_of(run) for run in runs.values() if not opens(run)}
    if lost:
        what = f"results sealed with {', '.join(sorted(lost))} do not open"
        yield Finding("vault keys", "fail", what, "Put the key back into VAULT_KEYS, behind the one that seals.")
    else:
        yield Finding(
            "vault keys", "ok", f"{len(config().vault_keys)}, and {len(runs)} sealed results looked at all open"
        )


def opens(run: Run) -> bool:
    try:
        vault().open(run.sealed_output or "", place=run.output_place)
    except Unsealable:
        return False
    return True


def key_of(run: Run) -> str:
    found = re.match(r"v1\.([a-z0-9]{1,16})\.", run.sealed_output or "")
    return f"key {found[1]}" if found else "no key"


def worker(http: httpx.Client) -> Iterator[Finding]:
    latest = db.session.scalar(select(func.max(Chore.done_at)))
    if latest is None or now() - latest > WORKER_QUIET:
        todo = "Start `gangway serve` (without --web or --webhooks), or `gangway worker`."
        yield Finding("worker", "warn", "has done nothing lately", todo)
    else:
        yield Finding("worker", "ok", "at work")
    for name, problem in db.session.execute(select(Chore.name, Chore.problem).where(Chore.problem != "")):
        yield Finding(f"chore {name}", "warn", problem)


CHECKS: list[Callable[[httpx.Client], Iterator[Finding]]] = [
    *(database, redis, catalog, vault_keys),
    *(key, clock, destination, webhook, refused, worker),
]


def as_json(findings: list[Finding]) -> dict[str, Any]:
    return {"ok": not has_failed(findings), "checks": [vars(finding) for finding in findings]}


def has_failed(findings: list[Finding]) -> bool:
    return any(finding.status == "fail" for finding in findings)
