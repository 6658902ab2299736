"""Loaded once, before the fork: whatever every life of the program would find out again for itself."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from sqlalchemy.orm import configure_mappers

from tests.conftest import settings
from tests.crash import program
from webapp import create_app
from webapp.db import db
from webapp.worker import Worker


def warm_up(folder: str) -> None:
    """Open every kind of page and do nothing with a worker, on a database that goes at once."""
    configure_mappers()
    program.hash_cheaply()
    app = create_app(settings(f"sqlite:///{folder}/warm.sqlite3"))
    with app.app_context(), db.engine.connect().execution_options(writes=True) as connection:
        db.metadata.create_all(connection)
        connection.commit()
    browser = app.test_client()
    browser.get("/sign-up")
    same_site = {"Sec-Fetch-Site": "same-origin"}
    browser.post("/sign-up", data={"email": "a@sample.example", "password": "correct horse battery"}, headers=same_site)
    browser.get("/connections")
    worker = Worker(app)
    worker.read_inbox()
    worker.do_due()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


with TemporaryDirectory() as folder:
    warm_up(folder)
