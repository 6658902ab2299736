"""Who appears in the stories: a visitor with a browser that knows forms and links, and Deck, which goes on when told."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import httpx
from flask import Flask

from webapp.twin.control import move
from webapp.twin.delivery import Deliverer
from webapp.twin.world import World
from webapp.worker import Worker

STOPS = {"task_run.interaction_required", "task_run.review_required", "task_run.completed", "task_run.failed"}


class Visitor:
    """A person with a plain browser: no scripting, cookies, same-origin headers."""

    _read: tuple[httpx.Response, Element] | None = None

    def __init__(self, app: Flask, base_url: str = "http://localhost") -> None:
        self.app = app
        self.http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url=base_url)
        self.page: httpx.Response = httpx.Response(204)

    # --- getting about -----------------------------------------------------------------------------------

    def opens(self, path: str) -> httpx.Response:
        return self._follow(self.http.get(path))

    def posts(self, path: str, data: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        site = {"Sec-Fetch-Site": "same-origin", **headers}
        return self._follow(self.http.post(path, data=data or {}, headers=site))

    def _follow(self, response: httpx.Response) -> httpx.Response:
        for _ in range(5):
            if not response.is_redirect:
                break
            assert response.request.method == "GET" or response.status_code == 303
            response = self.http.get(response.headers["Location"])
        self.page = response
        return response

    def presses(self, words: str, **fields: str) -> httpx.Response:
        """Press the button or link that says *words*, with these form fields filled in."""
        for form in self.tree.iter("form"):
            for button in form.iter("button"):
                if button.get("type") != "button" and words in said(button):
                    return self._submit(form, button, fields)
        for link in self.tree.iter("a"):
            if words in said(link):
                return self.opens(str(link.get("href")))
        raise AssertionError(f"nothing says {words!r} on this page:\n{self.sees()}")

    def _submit(self, form: Element, button: Element, fields: dict[str, str]) -> httpx.Response:
        data = {str(i.get("name")): i.get("value", "") for i in form.iter("input") if is_sent(i)}
        if button.get("name"):
            data[str(button.get("name"))] = button.get("value", "")
        names = {str(i.get("name")) for i in form.iter("input")}
        assert set(fields) <= names, f"the form has {names}"
        data |= fields
        if form.get("method", "get") == "get":
            return self._follow(self.http.get(str(form.get("action")), params=data))
        return self.posts(str(form.get("action")), data)

    # --- looking -----------------------------------------------------------------------------------------

    @property
    def tree(self) -> Element:
        """The page as a browser understands it; read once, however often somebody looks."""
        if self._read is None or self._read[0] is not self.page:
            self._read = self.page, html5lib.parse(self.page.text, namespaceHTMLElements=False)
        return self._read[1]

    def sees(self) -> str:
        """What a person reads on the page."""
        main = next(self.tree.iter("main"), self.tree)
        return said(main)

    def view(self) -> str:
        """The name of the flow's present screen."""
        found = re.search(r'data-view="(\w+)"', self.page.text)
        return found[1] if found else ""

    def field(self, name: str) -> Element:
        return next(i for i in self.tree.iter("input") if i.get("name") == name)

    def looks_again(self) -> str:
        """Reload the page; the flow's screen now."""
        self.opens(self.page.url.path)
        return self.view()

    # --- the usual way -----------------------------------------------------------------------------------

    def signs_up(self, email: str, password: str = "correct horse battery") -> None:
        self.opens("/sign-up")
        self.presses("Create account", email=email, password=password)
        assert self.page.url.path == "/connections", self.sees()

    def picks(self, source: str) -> None:
        """Start, agree, and pick a source."""
        self.opens("/connections")
        self.presses("Connect an account")
        self.presses("Agree and continue")
        self.presses(source)
        assert self.view() in ("sign_in", "down", "paused"), self.sees()

    def signs_in_at(self, source: str, username: str, password: str, **extra: str) -> None:
        self.picks(source)
        self.presses("Sign in", username=username, password=password, **extra)


class Deck:
    """The twin, going on when told, and our worker after it."""

    def __init__(self, app: Flask, world: World, deliverer: Deliverer) -> None:
        self.app, self.world, self.deliverer = app, world, deliverer
        self.worker = Worker(app)
        self.losing_webhooks = False

    def goes_on(self) -> None:
        """Until the site asks something or the run is over; the webhooks arrive and are acted on."""
        self._move(lambda event: event["type"] in STOPS, timedelta(hours=1))
        self.our_worker_works()

    def lets_pass(self, **span: float) -> None:
        self._move(lambda event: False, timedelta(**span))
        self.our_worker_works()

    def _move(self, stop: Any, span: timedelta) -> None:
        drain = self.deliverer.drain if not self.losing_webhooks else self._lose
        move(self.world, drain, self.world.clock.now + span, stop)

    def _lose(self) -> dict[str, int]:
        self.world.outbox.clear()
        return {"attempted": 0, "succeeded": 0, "failed": 0}

    def our_worker_works(self, *, rounds: int = 20) -> None:
        for _ in range(rounds):
            if not self.worker.read_inbox() + self.worker.do_due():
                return
        raise AssertionError("the worker never comes to rest")

    def our_watchdog_looks(self) -> None:
        """Whatever is done every few minutes is done now, if it is due."""
        self.worker.do_chores()
        self.our_worker_works()

    def objects(self, kind: str) -> list[dict[str, Any]]:
        return list(self.world.stores[kind].values())


def said(element: Element) -> str:
    """The text of an element, white space folded."""
    return " ".join(" ".join(element.itertext()).split())


def is_sent(control: Element) -> bool:
    if control.get("type") in ("radio", "checkbox"):
        return control.get("checked") is not None
    return bool(control.get("name"))
