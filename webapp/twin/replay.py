"""Runs a recorded session again in a fresh world: no network, no waiting, the same end."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime

from flask import Flask, request

from .clock import parse_moment
from .delivery import Deliverer
from .events import Shipment
from .objects import Object
from .recording import ASKED, VERSION
from .server import create_twin
from .ui import COOKIE
from .world import World

HEAD = {"seed", "t0", "mode", "rate"}


class Diverged(Exception):
    """The world went another way than the log says, or the log is none. Its text names the line."""


class Replay:
    """The session of a log, one line after the other. Calls that overlapped are picked up where they were left."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the log; `Diverged` when it is none."""
        self._lines = deque(parsed(number, line) for number, line in enumerate(lines, 1) if line.strip())
        head = self._lines.popleft()[1] if self._lines else {}
        if head.get("twin_log") != VERSION or HEAD - set(head):
            raise Diverged(f"line 1: this does not begin a log of a twin, version {VERSION}")
        self.world = World(seed=head["seed"], t0=parse_moment(head["t0"]))
        self.world.clock.mode, self.world.clock.rate = head["mode"], head["rate"]
        self.recorded_hash: str | None = None
        """What the recorded world came to; None when it did not end properly."""
        self._line = 1
        self._calls: dict[int, ReplayedCall] = {}
        self._out: dict[int, ReplayedCall | list[Shipment]] = {}
        """What is on its way by the number of its `sending`: who waits for it, or what real time sent."""
        self._deliverer = ReplayedDeliverer(self.world, self._calls)
        self._app = create_twin(self.world, self._deliverer, sleep=lambda seconds: None, real_now=self._real_now)
        self._app.config["PROPAGATE_EXCEPTIONS"] = True

    def run(self) -> str:
        """Everything to the end; the state hash. `Diverged` where this world goes another way."""
        try:
            while self._lines:
                self._line, entry = self._lines.popleft()
                self._play(entry)
            if self._calls or self._out:
                raise self._diverged("the log ends while something was going out")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._diverged(f"the line is damaged: {error!r}") from error
        finally:
            for call in self._calls.values():
                call.abandon()
        with self.world.lock:
            return self.world.state_hash()

    def _play(self, entry: Object) -> None:
        if "at" in entry:  # real time may have passed in which nothing fell due
            self.world.clock.now = max(self.world.clock.now, parse_moment(entry["at"]))
        match entry:
            case {"asked": number}:
                self._calls[number] = ReplayedCall(self._app, self.world, entry)
                self._calls[number].go_on()
            case {"answered": number, "status": status}:
                self._answered(self._calls.pop(number), status)
            case {"passed": until}:
                with self.world.lock:
                    self.world.pass_time(parse_moment(until))
            case {"sending": number, "by": by}:
                self._out[number] = self._calls[by] if by else self._deliverer.take()
                self._check(self._out[number], entry["deliveries"])
            case {"sent": number, "attempts": attempts}:
                self._fare(self._out.pop(number), attempts)
            case {"ended": sha256}:
                self.recorded_hash = sha256
            case _:
                raise self._diverged(f"{', '.join(entry)} does not belong here")

    def _answered(self, call: ReplayedCall, status: int | None) -> None:
        if call.waits_with is not None:
            call.abandon()
            raise self._diverged(f"{call.what} had sent everything then, now {ids(call.waits_with)} is to go out")
        if call.status != status:
            raise self._diverged(f"{call.what} was answered with {status}, now with {call.status}")

    def _check(self, out: ReplayedCall | list[Shipment], deliveries: list[str]) -> None:
        now = ids(out if isinstance(out, list) else out.waits_with or [])
        if now != ", ".join(deliveries):
            raise self._diverged(f"{', '.join(deliveries)} went out then, now {now or 'nothing'}")

    def _fare(self, out: ReplayedCall | list[Shipment], attempts: list[Object]) -> None:
        if isinstance(out, list):
            self._deliverer.note(out, attempts)
        else:
            out.go_on(attempts)

    def _real_now(self) -> datetime:
        """Asked for within a call, while `_play` waits for it."""
        entry = self._lines[0][1] if self._lines else {}
        if "real" not in entry:
            raise self._diverged("the real time was not asked for then")
        self._lines.popleft()
        return parse_moment(entry["real"])

    def _diverged(self, why: str) -> Diverged:
        return Diverged(f"line {self._line}: {why}")


class ReplayedCall:
    """A call in a thread of its own, which runs only while somebody waits in `go_on`.

    It stops where it has something to send: what else happens until that has fared stands on the lines in between.
    """

    def __init__(self, app: Flask, world: World, entry: Object) -> None:
        self.what = f"{entry['method']} {entry['path']}"
        self.status: int | None = None
        """What it was answered with; None when a fault cut the line."""
        self.waits_with: Sequence[Shipment] | None = None
        """What it wants to send; None when it is over."""
        self._error: BaseException | None = None
        self._attempts: list[Object] | None = None
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(app, world, entry), name="replay", daemon=True)
        self._thread.start()

    def go_on(self, attempts: list[Object] | None = None) -> None:
        """Begin, or go on after what it waited with has fared like *attempts*; back when it stops or is over."""
        self._attempts, self.waits_with = attempts, None
        self._go.release()
        self._paused.acquire()
        if self._error:
            raise self._error

    def send(self, batch: Sequence[Shipment]) -> list[Object]:
        """In its own thread: how *batch* fares, some lines later."""
        self.waits_with = batch
        self._paused.release()
        self._go.acquire()
        if self._attempts is None:
            raise Diverged("abandoned")
        return self._attempts

    def abandon(self) -> None:
        """It will not be finished."""
        if self.waits_with is not None:
            self._attempts = None
            self._go.release()
        self._thread.join(timeout=5)

    def _run(self, app: Flask, world: World, entry: Object) -> None:
        self._go.acquire()
        try:
            keys = {"api": world.api_key, "admin": world.admin_key}
            headers = dict(entry["headers"])
            if entry["key"]:
                headers["authorization"] = f"Bearer {keys[entry['key']]}"
            if entry["key"] == "admin":
                headers["cookie"] = f"{COOKIE}={world.admin_key}"
            answer = app.test_client(use_cookies=False).open(
                entry["path"],
                method=entry["method"],
                query_string=entry["query"],
                headers=headers,
                data=body_of(entry),
                environ_overrides={ASKED: entry["asked"]},
            )
            self.status = answer.status_code
        except ConnectionError:  # a fault cut the line
            self.status = None
        except BaseException as error:
            self._error = error
        self._paused.release()


class ReplayedDeliverer(Deliverer):
    """Sends nothing: every delivery fares as it did."""

    def __init__(self, world: World, calls: dict[int, ReplayedCall]) -> None:
        super().__init__(world)
        self._calls = calls

    def take(self) -> list[Shipment]:
        """What real time sends by itself: the next of what is owed to each destination."""
        return self._take()

    def note(self, batch: Sequence[Shipment], attempts: list[Object]) -> None:
        self._note(batch, attempts)

    def _send(self, batch: Sequence[Shipment]) -> list[bool]:
        attempts = self._calls[request.environ[ASKED]].send(batch)
        self.note(batch, attempts)
        return [attempt["error"] is None for attempt in attempts]


def ids(batch: Sequence[Shipment]) -> str:
    return ", ".join(shipment.delivery["id"] for shipment in batch)


def parsed(number: int, line: str) -> tuple[int, Object]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise Diverged(f"line {number}: this is no line of a log")
    return number, entry


def body_of(entry: Object) -> bytes:
    if "json" in entry:
        return json.dumps(entry["json"]).encode()
    if "form" in entry:
        return str(entry["form"]).encode("latin-1")
    return b"?" * int(entry.get("unread", 0))
