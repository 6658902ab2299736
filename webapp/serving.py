"""How the app is served: greenlets under gunicorn, and the worker beside them in the same process unless told apart.

gunicorn reads this module as its settings (`-c python:webapp.serving`) before it patches the standard
library for gevent, so nothing here may import what the app is made of until the app is there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

serves = os.environ.get("GANGWAY_SERVES", "all")
"""all, web or webhooks: set by `gangway serve`."""
bind = os.environ.get("BIND", "127.0.0.1:5050")
wsgi_app = f"webapp:create_app(serves={serves!r})"
worker_class = "gevent"
workers = int(os.environ.get("GANGWAY_PROCESSES", "1"))
worker_connections = 20_000
timeout = 0  # gevent workers beat while their loop runs; a stream may last as long as it likes
drain_seconds = int(os.environ.get("GANGWAY_DRAIN", "0"))
graceful_timeout = 8 + drain_seconds
limit_request_line = 4_094
limit_request_fields = 100
errorlog = "-"
control_socket_disable = True

UNREAD_SECONDS = 30
"""A browser that reads nothing for so long is not there any more."""


operators: list[socket.socket] = []
"""Where metrics are shown, if anywhere: bound once, and answered by whichever process is free."""


def on_starting(arbiter: Any) -> None:
    """gunicorn's hook: before there is any worker."""
    if address := os.environ.get("GANGWAY_OPS"):
        operators.append(listen(address))


def when_ready(arbiter: Any) -> None:
    """gunicorn's hook: it listens, and nobody has been let in."""
    for listener in arbiter.LISTENERS:
        cut_off_who_reads_nothing(listener.sock)


def cut_off_who_reads_nothing(listener: socket.socket, seconds: float = UNREAD_SECONDS) -> None:
    """The kernel ends a connection whose other side takes nothing for so long, where it knows how (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT") and listener.family != socket.AF_UNIX:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1_000))  # those it accepts too


def listen(address: str) -> socket.socket:
    """*address* is a host and a port; SystemExit with one line when it cannot be had."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family)
    except OSError as error:
        raise SystemExit(f"Error: OPS_BIND {address} cannot be listened on: {error.strerror}") from error


def post_worker_init(worker: Any) -> None:
    """gunicorn's hook: the app is loaded and about to be served."""
    from . import logs
    from .ops import health, port

    logs.start(worker.wsgi.extensions["gangway"].config.log_format)
    start_beside(worker.wsgi, serves)
    for listener in operators:
        port.serve(worker.wsgi, listener)
    state = health.health_of(worker.wsgi)
    signal.signal(signal.SIGTERM, lambda *_: setattr(state, "is_leaving", True))
    threading.Thread(target=_leave_with, args=(worker, state), name="farewell", daemon=True).start()


def _leave_with(worker: Any, state: Any) -> None:
    """SIGTERM: first say "not ready", so that balancers send nobody any more; then say goodbye to streams, and close.

    Streams would hold a leaving worker for its whole grace. A signal may come at any moment, so its handler only
    sets a flag, and we look.
    """
    while worker.alive and not state.is_leaving:
        time.sleep(0.1)
    until = time.monotonic() + drain_seconds
    while worker.alive and time.monotonic() < until:
        time.sleep(0.1)
    worker.wsgi.extensions["gangway"].bus.close()
    worker.handle_exit(signal.SIGTERM, None)


def child_exit(arbiter: Any, worker: Any) -> None:
    """gunicorn's hook: what a process counted is kept, what it had open is not."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(arbiter: Any) -> None:
    """gunicorn's hook: the last one out."""
    if folder := os.environ.get("GANGWAY_COUNTS"):
        shutil.rmtree(folder, ignore_errors=True)


def start_beside(app: Any, serves: str = "all") -> Callable[[], None]:
    """Run in the background what belongs beside *serves*; the returned function ends it."""
    from .live import keep_watch
    from .worker import Worker

    beside: dict[str, Callable[[], None]] = {}
    if serves in ("all", "web"):
        beside["watch"] = lambda: keep_watch(app)
    if serves == "all":
        beside["worker"] = Worker(app).run_forever
    threads = [threading.Thread(target=run, name=name, daemon=True) for name, run in beside.items()]
    for thread in threads:
        thread.start()

    def stop() -> None:
        app.extensions["gangway"].bus.close()
        for thread in threads:
            thread.join(timeout=5)

    return stop
