"""The twin as a program: its WSGI app, and the driver that lets real time pass in its world."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

from flask import Flask, Response, request

from . import control, screenshots, ui, vendor
from .delivery import Deliverer
from .line import Line
from .objects import Object
from .recording import Recorder, RecordingDeliverer
from .world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LONGEST_NAP = 1.0


def create_twin(
    world: World,
    deliverer: Deliverer | None = None,
    driver: Driver | None = None,
    *,
    sleep: Callable[[float], object] = time.sleep,
    real_now: Callable[[], datetime] | None = None,
) -> Flask:
    """The twin's WSGI app: vendor plane, control plane and the files behind signed links.

    *sleep* is how faults keep a caller waiting; *real_now* is where the world may ask for the real time.
    """
    app = Flask(__name__, static_folder=None)
    changed = driver.wake if driver else lambda: None
    send = deliverer or Deliverer(world)
    real = vendor.Real(monotonic=time.monotonic, sleep=sleep)
    app.register_blueprint(vendor.plane(world, changed=changed, real=real))
    app.register_blueprint(control.plane(world, drain=send.drain, changed=changed, real_now=real_now or wall_clock))
    app.register_blueprint(ui.plane(world, drain=send.drain, changed=changed))
    vendor.refuse_with_deck_errors(app, world, real=real)
    app.wsgi_app = Line(app.wsgi_app, real.sleep)  # type: ignore[method-assign]

    @app.get("/files/<id>")
    def download(id: str) -> Response:
        with world.lock:
            item = world.find("storage", id) or screenshots.find(world, id)
            return file_response(world, item) if item else Response(status=404)

    return app


def file_response(world: World, item: Object) -> Response:
    """The file, while its signed link is good; 403 afterwards."""
    expires = request.args.get("expires", "")
    good = world.derive.digest("link", world.admin_key, item["id"], expires).hex()
    signed = hmac.compare_digest(good.encode(), request.args.get("signature", "").encode())
    if not signed or not expires.isdigit() or int(expires) < world.clock.now.timestamp():
        return Response("This link has expired.", status=403, content_type="text/plain")
    return Response(item["_content"].encode(errors="surrogateescape"), content_type=item["file_type"])


def wall_clock() -> datetime:
    return datetime.now(UTC)


class Driver:
    """Real time for a world whose clock is in real-time mode: one thread that naps until something is due."""

    def __init__(
        self, world: World, deliverer: Deliverer, *, passing: Callable[[datetime], object] = lambda until: None
    ) -> None:
        """*passing* is told, under the world's lock, each moment to which time is about to pass."""
        self.world, self.deliverer, self._passing = world, deliverer, passing
        self._bell = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._drive, name="twin-clock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self.world.stream.close()
        self.wake()
        self._thread.join(timeout=5)

    def wake(self) -> None:
        """Look again now: something may have become due."""
        self._bell.set()

    def _drive(self) -> None:
        before: float | None = None  # since when time runs; None while it is frozen
        while not self._stopping:
            self._bell.clear()
            now = time.monotonic()
            nap = LONGEST_NAP
            with self.world.lock:
                clock = self.world.clock
                realtime = clock.mode == "realtime"
                if realtime:
                    passed = now - (before or now)
                    until = clock.now + timedelta(seconds=passed * clock.rate)
                    self._passing(until)
                    self.world.pass_time(until)
                    if clock.next_due:
                        nap = min(nap, max(0.0, (clock.next_due - clock.now).total_seconds() / clock.rate))
            before = now if realtime else None
            if realtime:
                self.deliverer.drain()
            if not self.world.outbox or not realtime:
                self._bell.wait(nap)


class Running:
    """A whole twin, ready to be served: its app, real time for its world, and a log of its session if wanted."""

    def __init__(self, world: World, *, allow_hosts: Collection[str] = (), log: TextIO | None = None) -> None:
        """*allow_hosts* are hosts beyond this machine that may be delivered to."""
        self.world = world
        self.app: WSGIApplication
        self._recorder = Recorder(world, log) if log else None
        if self._recorder:
            deliverer: Deliverer = RecordingDeliverer(self._recorder, allow_hosts=allow_hosts)
            self._driver = Driver(world, deliverer, passing=self._recorder.passing)
            app = create_twin(world, deliverer, self._driver, real_now=self._recorder.real_now)
            self.app = self._recorder.around(app)
        else:
            deliverer = Deliverer(world, allow_hosts=allow_hosts)
            self._driver = Driver(world, deliverer)
            self.app = create_twin(world, deliverer, self._driver)

    def start(self) -> None:
        self._driver.start()

    def stop(self) -> None:
        """Real time ends; what is left to serve it must have ended before."""
        self._driver.stop()
        if self._recorder:
            self._recorder.close()
