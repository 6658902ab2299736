"""The web app on throw-away data beside any Deck: for tests that want the whole product (docs/twin.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from werkzeug.serving import WSGIRequestHandler, make_server

from .. import create_app
from ..catalog import read_catalog
from ..current import config
from ..db import db
from ..sync import sync
from .settings import settings_for


@contextmanager
def app_beside(deck_url: str, api_key: str, folder: Path, *, setenv: Callable[[str, str], object]) -> Iterator[Flask]:
    """The app, served on a free loopback port until the block ends; Deck knows the demo's catalog and our webhook.

    *deck_url* ends in /v2. The database goes into *folder*, and *setenv* is given every setting the app then reads.
    """
    served: list[Any] = []
    server = make_server("127.0.0.1", 0, lambda *call: served[0](*call), threaded=True, request_handler=Quiet)
    settings = settings_for(f"http://localhost:{server.server_port}", deck_url, api_key, folder)
    for name, value in settings.items():
        setenv(name, value)
    app = create_app()
    served.append(app)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="app", daemon=True)
    thread.start()
    try:
        with app.app_context():
            upgrade()
            sync(read_catalog(config().catalog), lambda step: None)
        yield app
    finally:
        app.extensions["gangway"].bus.close()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing on the terminal."""
