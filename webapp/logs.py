"""The log: one line of JSON for each thing that happened, on stdout, with keys from a list and nothing else.

Paths, queries, headers, bodies and the texts of errors never get in. Whoever logs never waits for whoever reads.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import time
import traceback
from _queue import SimpleQueue  # gevent would patch the one in `queue`, and the writer is a thread of the system
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

from gevent.monkey import get_original

from . import metrics
from .deck.reading import one_line

LONGEST = 256
MOST_WAITING = 10_000
"""Lines that may wait for a slow reader; those after them are dropped, and counted."""
NAP = 0.02
"""Seconds in which lines gather: waking the writer for each of them costs about what making them does."""
TOGETHER = select.PIPE_BUF // 2
"""Bytes after which no further line joins: other processes write into the same pipe, and none tears another's line."""

KEYS: dict[str, type | tuple[type, ...]] = {
    "message": str,
    "request_id": str,
    "route": str,
    "method": str,
    "status": int,
    "dur_ms": (int, float),
    "db_ms": (int, float),
    "db_calls": int,
    "deck_ms": (int, float),
    "deck_calls": int,
    "actor_type": str,
    "actor_id_hash": str,
    "job": str,
    "job_id": (int, str),
    "count": int,
    "outcome": str,
    "reason": str,
    "limit": str,
    "deck_request_id": str,
    "err_type": str,
    "err_code": str,
    "err_where": str,
}
"""What a line may hold beside `ts`, `level`, `event`, `logger` and `build`, and of which type."""

EVENTS = {
    "request": logging.INFO,
    "job": logging.INFO,
    "log": logging.WARNING,
    "webhook_refused": logging.WARNING,
    "webhook_malformed": logging.INFO,
    "authn_login_success": logging.INFO,
    "authn_login_fail": logging.INFO,
    "authn_password_change": logging.INFO,
    "authz_fail": logging.INFO,
    "excess_rate_limit_exceeded": logging.INFO,
    "input_validation_fail": logging.INFO,
    "malicious_csrf": logging.INFO,
    "sequence_fail": logging.INFO,
    "session_use_after_expire": logging.INFO,
}
"""Every event, and its level. `log` is a line of words; security events have OWASP's names.

What any stranger can cause is at INFO: whoever watches for it looks for the name, and a warning is for the operator.
"""

SECRETS = re.compile(
    r"(?i)\b(sk_(live|test)_|whsec_|twa_)[\w+/=-]+|\bbearer\s+[^\s\"']+|[\w.+-]{1,64}@[\w-]+(\.[\w-]+)+"
)

log = logging.getLogger("gangway.event")


def event(name: str, **fields: object) -> None:
    """Something happened that has a name in `EVENTS`. *fields* are of `KEYS`; others are dropped and counted."""
    log.log(EVENTS[name], name, extra={"event": name, "fields": fields})


@contextmanager
def job(name: str, id: int | str = "", count: int = 1) -> Iterator[None]:
    """A piece of the worker's work: one line when it is over, with what it cost."""
    token, start = metrics.tally.set(metrics.Tally()), time.monotonic()
    outcome: dict[str, object] = {"outcome": "done"}
    try:
        yield
    except Exception as error:
        outcome = {"outcome": "failed", "err_type": type(error).__name__}
        raise
    finally:
        about: dict[str, object] = {"job": name, "count": count} | ({"job_id": id} if id != "" else {})
        event("job", **about, **outcome, **cost(start))
        metrics.tally.reset(token)


def cost(start: float) -> dict[str, object]:
    """What this request or job has taken since *start*, a `time.monotonic()`."""
    tally = metrics.tally.get() or metrics.Tally()
    failed = {"err_code": tally.err_code, "deck_request_id": tally.deck_request_id}
    return {key: value for key, value in failed.items() if value} | {
        "dur_ms": milliseconds(time.monotonic() - start),
        "db_ms": milliseconds(tally.db_seconds),
        "db_calls": tally.db_calls,
        "deck_ms": milliseconds(tally.deck_seconds),
        "deck_calls": tally.deck_calls,
    }


def milliseconds(seconds: float) -> float:
    return round(seconds * 1_000, 1)


class Seldom:
    """For what strangers can cause: each kind of line at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[str, float] = {}

    def may(self, kind: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(kind, float("-inf")) < self._seconds:
            return False
        self._last[kind] = now
        return True


# --- lines -----------------------------------------------------------------------------------------------------


class Line(logging.Formatter):
    """A record as one line of JSON, whatever it holds."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(content(record), separators=(",", ":"))  # ASCII, so no character can end the line


class Text(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        line = content(record)
        for implied in ("ts", "logger", "build"):
            line.pop(implied, None)
        level, name, words = line.pop("level"), line.pop("event"), line.pop("message", "")
        details = " ".join(f"{key}={value}" for key, value in line.items())
        return " ".join(part for part in (clock(record, "%H:%M:%S"), level, name, words, details) if part)


def content(record: logging.LogRecord) -> dict[str, Any]:
    name = str(getattr(record, "event", "log"))
    line: dict[str, Any] = {
        "ts": clock(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "event": name if name in EVENTS else "log",
        "logger": record.name,
        "build": build(),
    }
    if name == "log" and record.name != "webapp":  # Flask's own line holds the path
        line["message"] = words_of(record)
    if (tally := metrics.tally.get()) is not None and tally.id:
        line["request_id"] = tally.id
    if record.exc_info and record.exc_info[1] is not None:
        line |= {"err_type": type(record.exc_info[1]).__name__, "err_where": place(record.exc_info[1])}
    return line | allowed(getattr(record, "fields", {}))


def words_of(record: logging.LogRecord) -> str:
    try:
        return clean(record.getMessage())
    except Exception:  # a line with the wrong arguments is no reason to fail
        return clean(record.msg)


def allowed(fields: Mapping[str, object]) -> dict[str, object]:
    """Those of *fields* that are on the list and of their type."""
    kept: dict[str, object] = {}
    for key, value in fields.items():
        if key in KEYS and isinstance(value, KEYS[key]) and not isinstance(value, bool):
            kept[key] = clean(value) if isinstance(value, str) else value
        else:
            metrics.log_keys_dropped.inc()
    return kept


def clean(text: object) -> str:
    """One line, not long, and without what looks like a secret: the second net, should something slip into a text."""
    return SECRETS.sub("[removed]", one_line(text, longest=2 * LONGEST))[:LONGEST]


def place(error: BaseException) -> str:
    """Where it was raised, innermost last: files and lines, never what variables held or what the error says."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " ".join(f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno}" for frame in frames)


def clock(record: logging.LogRecord, form: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime(form)


@cache
def build() -> str:
    return metadata.version("gangway")


# --- the way out -----------------------------------------------------------------------------------------------


class Sink(logging.Handler):
    """Gives lines to a thread of the system that writes them: a reader that stands still stops nobody else.

    Greenlets share one thread, so a write that blocks would stop them all; hence no thread of gevent's.
    """

    def __init__(self, fd: int = 1, most: int = MOST_WAITING) -> None:
        super().__init__()
        self._fd, self._most = fd, most
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._pid = 0
        self._given = self._done = self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._pid != os.getpid():  # threads do not survive a fork
                self._pid, self._lines, self._given, self._done = os.getpid(), SimpleQueue(), 0, 0
                get_original("_thread", "start_new_thread")(self._write, (self._lines,))
            if self._lines.qsize() >= self._most:
                metrics.log_dropped.inc()
            else:
                self._lines.put(self.format(record).encode("ascii", "backslashreplace") + b"\n")
                self._given += 1
            lost, self._lost = self._lost, 0
            metrics.log_dropped.inc(lost)
        except Exception:  # nothing that happens here may reach whoever logs
            metrics.log_dropped.inc()

    def flush(self) -> None:
        """Wait a moment for the writer: called when the program ends."""
        until = time.monotonic() + 0.5
        while self._pid == os.getpid() and self._done < self._given and time.monotonic() < until:
            time.sleep(0.01)

    def _write(self, lines: SimpleQueue[bytes]) -> None:
        nap = get_original("time", "sleep")
        while True:
            rest, count = lines.get(), 1
            while len(rest) < TOGETHER and not lines.empty():
                rest, count = rest + lines.get(), count + 1
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:  # full, or nobody reads any more
                self._lost += rest.count(b"\n")
            self._done += count
            if lines.empty():
                nap(NAP)


def start(form: str, *, level: int = logging.INFO, fd: int = 1) -> logging.Handler:
    """Send everything that is logged in this process to *fd*, as `json` or as `text` for people."""
    sink = Sink(fd)
    sink.setFormatter(Text() if form == "text" else Line())
    logging.getLogger().handlers = [sink]
    logging.getLogger("gangway").setLevel(level)
    return sink
