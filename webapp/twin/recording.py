"""Keeps a session in a file, as lines that `replay` can run again.

A line holds one thing that came to the world from outside, in the order in which it came:

{"twin_log": 1, "seed": …, "t0": …, "mode": …, "rate": …}   how the world began
{"asked": 3, "at": …, "method": …, "path": …, "key": …, …}  a call of either plane
{"answered": 3, "status": 201}                              what it was answered with; null when the line was cut
{"passed": …}                                               real time went on to then, and something fell due
{"sending": 4, "by": 3, "at": …, "deliveries": […]}         deliveries went out, because of call 3 or by themselves
{"sent": 4, "at": …, "attempts": […]}                       how they fared
{"real": …}                                                 the real time, when the world was told it
{"ended": "<state hash>", "at": …}                          how it was in the end

Calls that change nothing of the world are left out. Between a `sending` and its `sent` stand the calls that came
meanwhile, a receiver's own among them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

from flask import has_request_context, request
from werkzeug.http import parse_cookie
from werkzeug.wsgi import get_input_stream

from .delivery import Deliverer
from .events import Shipment
from .objects import Object
from .pseudonyms import Pseudonyms
from .ui import COOKIE
from .vendor import MAX_BODY
from .world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

VERSION = 1
ASKED = "twin.asked"
"""Where the number of a recorded call stands in its environ."""
HARMLESS = ("/__admin__/requests/verify", "/__admin__/ui/key")
"""POSTs that change nothing of the world."""
LEFT_OUT = {"HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_HOST", "HTTP_CONNECTION"}


class Recorder:
    """The log of one world. Calls come through `around`, deliveries through `RecordingDeliverer`."""

    def __init__(self, world: World, file: TextIO) -> None:
        """*file* takes the lines, each flushed at once: what was recorded survives a crash."""
        self.world = world
        self._file = file
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._hide = Pseudonyms()
        clock = world.clock
        self._write(
            {
                "twin_log": VERSION,
                "seed": world.derive.seed,
                "t0": clock.t0.isoformat(),
                "mode": clock.mode,
                "rate": clock.rate,
            }
        )

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """*app*, with every call that may change the world written down before it is answered."""

        def recorded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if not matters(environ):
                return app(environ, start_response)
            number = environ[ASKED] = self._asked(environ)
            status = None

            def started(line: str, headers: Any, *more: Any) -> Any:
                nonlocal status
                status = int(line[:3])
                return start_response(line, headers, *more)

            try:
                return app(environ, started)
            except ConnectionError:
                status = None
                raise
            finally:
                self._write({"answered": number, "status": status})

        return recorded

    def passing(self, until: datetime) -> None:
        """Real time is about to bring the world to *until*: that matters when something falls due."""
        due = self.world.clock.next_due
        if due is not None and due <= until:
            self._write({"passed": until.isoformat()})

    def real_now(self) -> datetime:
        now = datetime.now(UTC)
        self._write({"real": now.isoformat()})
        return now

    def sending(self, batch: Sequence[Shipment]) -> int:
        number = next(self._numbers)
        by = request.environ.get(ASKED) if has_request_context() else None
        ids = [shipment.delivery["id"] for shipment in batch]
        self._write({"sending": number, "by": by, "at": self._now(), "deliveries": ids})
        return number

    def sent(self, number: int, attempts: Sequence[Object]) -> None:
        plain = [{**attempt, "headers": decks_own(attempt["headers"])} for attempt in attempts]
        self._write({"sent": number, "at": self._now(), "attempts": plain})

    def end(self) -> None:
        """The session is over: how the world is now is how a replay must end."""
        with self.world.lock:
            self._write({"ended": self.world.state_hash(), "at": self._now()})

    def close(self) -> None:
        self.end()
        self._file.close()

    def _asked(self, environ: WSGIEnvironment) -> int:
        number = next(self._numbers)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if (name.startswith("HTTP_") or name == "CONTENT_TYPE") and name not in LEFT_OUT
        }
        self._write(
            {
                "asked": number,
                "at": self._now(),
                "method": environ["REQUEST_METHOD"],
                "path": quote(environ.get("PATH_INFO", "").encode("latin-1")),
                "query": environ.get("QUERY_STRING", ""),
                "key": self._key(environ),
                "headers": self._hide.headers(headers),
                **self._body(environ),
            }
        )
        return number

    def _key(self, environ: WSGIEnvironment) -> str | None:
        """Whose key came along, never the key itself."""
        given = environ.get("HTTP_AUTHORIZATION")
        if given == f"Bearer {self.world.api_key}":
            return "api"
        admin = self.world.admin_key
        return "admin" if given == f"Bearer {admin}" or parse_cookie(environ).get(COOKIE) == admin else None

    def _body(self, environ: WSGIEnvironment) -> Object:
        """The body without its secrets, which the app can then read once more; only its length when it is no JSON."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > MAX_BODY:
            return {"unread": MAX_BODY + 1}
        raw = get_input_stream(environ).read()
        environ["wsgi.input"] = BytesIO(raw)
        if not raw:
            return {}
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            return {"form": raw.decode("latin-1")}
        try:
            return {"json": self._hide.body(json.loads(raw))}
        except (ValueError, RecursionError):
            return {"unread": len(raw)}

    def _now(self) -> str:
        return self.world.clock.now.isoformat()

    def _write(self, line: Object) -> None:
        text = json.dumps(line, separators=(",", ":"))
        with self._lock:
            if not self._file.closed:
                self._file.write(text + "\n")
                self._file.flush()


class RecordingDeliverer(Deliverer):
    """Delivers, and has written down what goes out and how it fares."""

    def __init__(self, recorder: Recorder, *args: Any, **options: Any) -> None:
        """What follows *recorder* is for `Deliverer`."""
        super().__init__(recorder.world, *args, **options)
        self.recorder = recorder
        self._under_way = threading.local()

    def _send(self, batch: Sequence[Shipment]) -> list[bool]:
        numbers = vars(self._under_way).setdefault("numbers", [])  # a receiver may call back, and so send, meanwhile
        numbers.append(self.recorder.sending(batch))
        try:
            return super()._send(batch)
        finally:
            numbers.pop()

    def _note(self, batch: Sequence[Shipment], attempts: Sequence[Object]) -> None:
        with self.world.lock:
            self.recorder.sent(self._under_way.numbers[-1], attempts)
            super()._note(batch, attempts)


def decks_own(headers: dict[str, str]) -> dict[str, str]:
    """Without a destination's custom headers, which may hold secrets."""
    return {name: text for name, text in headers.items() if name.startswith(("webhook-", "content-", "user-agent"))}


def matters(environ: WSGIEnvironment) -> bool:
    """Whether the call may change the world: a look at an object may, because a fault may meet it."""
    path, looks = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS")
    return path.startswith("/v2/") or (path.startswith("/__admin__/") and not looks and not path.startswith(HARMLESS))
