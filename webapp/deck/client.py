"""One method for each Deck endpoint we call, and one private method that knows HTTP."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx
import stamina

from .. import metrics
from .errors import DeckBusy, DeckDown, DeckError, DeckRefused, DeckUnreadable, HeldBack, from_answer
from .gate import Gate, OpenGate
from .objects import Credential, Destination, Named, StorageItem, Task, TaskRun
from .reading import Unreadable, parse_object
from .wire import CONNECT_SECONDS, READ_SECONDS, bounded_transport, deadline

MAX_ANSWER = 2_000_000
MAX_KEYS = 200_000
"""A result of thousands of transactions has so many."""
MAX_FILE = 50_000_000
FILES_AT_ONCE = 4
"""Each is held in memory, and none may take the connections of everything else."""
MAX_PAGES = 100
ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
USER_AGENT = "Gangway/0.1"

BUSY_SECONDS = 1.0
"""How long to hold back after a 429 that does not say."""
LONGEST_PAUSE = 60.0
"""A wish for a longer pause is not ours to keep blindly: then one call asks whether it still holds."""
SESSION_LIMIT = "session_limit_exceeded"

TYPED_SECONDS = 20.0
"""How long what somebody has typed is held: it is nowhere but in the call, and given up it has to be typed again."""
_held_until: ContextVar[float] = ContextVar("held_until", default=0.0)


@contextmanager
def holding_what_was_typed() -> Iterator[None]:
    """Calls inside are tried as often as it helps, also while nobody may call, for `TYPED_SECONDS` in all."""
    token = _held_until.set(time.monotonic() + TYPED_SECONDS)
    try:
        yield
    finally:
        _held_until.reset(token)


Told = TypeVar("Told", Credential, TaskRun)


class DeckClient:
    """Talks to Deck v2. https://docs.deck.co/api

    Every write takes an idempotency *key*, so it can be repeated: a call is tried up to three times within
    *patience* seconds when Deck does not answer, fails or is busy, and more often while it holds what somebody typed.
    Raises the tree of `errors.py`.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        patience: float = 10.0,
        gate: Gate | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "headers": {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            "timeout": httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none is ever kept
            "follow_redirects": False,
            "trust_env": False,
        }
        self._http = httpx.Client(
            base_url=base_url.rstrip("/") + "/", transport=transport or bounded_transport(), **given
        )
        self._http.headers["Authorization"] = f"Bearer {api_key}"
        self._files = httpx.Client(transport=transport or bounded_transport(connections=FILES_AT_ONCE), **given)
        self._patience = patience
        self._gate = gate or OpenGate()

    def close(self) -> None:
        """Close the connections it keeps; only a program that makes several clients needs to."""
        self._http.close()
        self._files.close()

    def test(self) -> None:
        """Whether the key is good. https://docs.deck.co/api/using-the-api"""
        self._get("test")

    # --- what is created once ------------------------------------------------------------------------------

    def agents(self) -> Iterator[Named]:
        return (Named.from_json(item) for item in self._pages("agents"))

    def create_agent(self, *, name: str, key: str) -> Named:
        return Named.from_json(self._post("agents", {"name": name}, key=key))

    def sources(self) -> Iterator[Named]:
        return (Named.from_json(item) for item in self._pages("sources"))

    def create_source(self, *, name: str, url: str, key: str) -> Named:
        """https://docs.deck.co/api-reference/sources/create-a-source"""
        body = {"type": "website", "name": name, "website": {"url": url}}
        return Named.from_json(self._post("sources", body, key=key))

    def update_source(self, source_id: str, *, name: str, url: str, key: str) -> Named:
        body = {"name": name, "website": {"url": url}}
        return Named.from_json(self._send("PATCH", f"sources/{_id(source_id)}", body, key=key))

    def tasks(self) -> Iterator[Task]:
        return (Task.from_json(item) for item in self._pages("tasks"))

    def create_task(self, fields: Mapping[str, Any], *, key: str) -> Task:
        """https://docs.deck.co/api-reference/tasks/create-a-task"""
        return Task.from_json(self._post("tasks", fields, key=key))

    def update_task(self, task_id: str, fields: Mapping[str, Any], *, key: str) -> Task:
        return Task.from_json(self._send("PATCH", f"tasks/{_id(task_id)}", fields, key=key))

    # --- credentials ---------------------------------------------------------------------------------------

    def create_credential(
        self,
        *,
        source_id: str,
        username: str,
        password: str,
        source_fields: Mapping[str, str],
        external_id: str,
        key: str,
    ) -> Credential:
        """https://docs.deck.co/api-reference/credentials/create-a-credential"""
        body = {
            "source_id": source_id,
            "auth_method": "username_password",
            "auth_credentials": _sign_in(username, password, source_fields),
            "external_id": external_id,
        }
        return Credential.from_json(self._post("credentials", body, key=key))

    def update_credential(
        self, credential_id: str, *, username: str, password: str, source_fields: Mapping[str, str], key: str
    ) -> Credential:
        body = {"auth_credentials": _sign_in(username, password, source_fields)}
        return Credential.from_json(self._send("PATCH", f"credentials/{_id(credential_id)}", body, key=key))

    def get_credential(self, credential_id: str) -> Credential:
        credential = Credential.from_json(self._get(f"credentials/{_id(credential_id)}"))
        return _about(credential, credential_id)

    def find_credential(self, *, source_id: str, external_id: str) -> Credential | None:
        """The credential a lost answer was about. https://docs.deck.co/api/external-ids"""
        params = {"source_id": source_id, "external_id": external_id, "limit": 1}
        found = _items(self._get("credentials", params))
        return Credential.from_json(found[0]) if found else None

    def delete_credential(self, credential_id: str, *, key: str) -> None:
        self._send("DELETE", f"credentials/{_id(credential_id)}", None, key=key)

    # --- runs ----------------------------------------------------------------------------------------------

    def run_task(self, task_id: str, *, credential_id: str, input: Mapping[str, Any] | None, key: str) -> TaskRun:
        """https://docs.deck.co/api-reference/tasks/run-a-task"""
        body: dict[str, Any] = {"credential_id": credential_id}
        if input is not None:
            body["input"] = input
        return TaskRun.from_json(self._post(f"tasks/{_id(task_id)}/run", body, key=key))

    def get_run(self, run_id: str) -> TaskRun:
        """https://docs.deck.co/api-reference/task-runs/get-a-task-run"""
        run = TaskRun.from_json(self._get(f"task-runs/{_id(run_id)}", {"include": "storage"}))
        return _about(run, run_id)

    def answer(self, run_id: str, values: Mapping[str, str], *, key: str) -> TaskRun:
        """https://docs.deck.co/api-reference/task-runs/submit-interaction-input"""
        run = TaskRun.from_json(self._post(f"task-runs/{_id(run_id)}/interaction", {"input": values}, key=key))
        return _about(run, run_id)

    def cancel_run(self, run_id: str, *, key: str) -> TaskRun:
        """https://docs.deck.co/concepts/task-runs"""
        return _about(TaskRun.from_json(self._post(f"task-runs/{_id(run_id)}/cancel", None, key=key)), run_id)

    def get_file(self, storage_id: str) -> StorageItem:
        """A file's name and its signed link, fresh. https://docs.deck.co/concepts/storage"""
        return StorageItem.from_json(self._get(f"storage/{_id(storage_id)}"))

    def download(self, item: StorageItem) -> bytes:
        """The bytes behind a signed link: https as Deck is, without our key or a redirect, 50 MB at most."""
        deadline.set(time.monotonic() + 3 * self._patience)
        try:
            request = self._files.build_request("GET", item.url)
        except httpx.InvalidURL:
            raise DeckUnreadable("the file's link is none") from None
        if request.url.scheme != "https" and self._http.base_url.scheme == "https":
            raise DeckUnreadable("the file's link is not https")
        status, content, _ = self._exchange(self._files, request, "file", limit=MAX_FILE)
        if status != 200:
            raise DeckDown(f"the file's link answered {status}", status=status)
        return content

    def runs(self, *, credential_id: str, created_after: datetime) -> Iterator[TaskRun]:
        """The runs with one credential since a moment. https://docs.deck.co/api-reference/task-runs/list-task-runs"""
        params = {"credential_id": credential_id, "created_after": _moment(created_after)}
        return (TaskRun.from_json(item) for item in self._pages("task-runs", params))

    # --- events --------------------------------------------------------------------------------------------

    def events(self, *, created_after: datetime, created_before: datetime | None = None) -> Iterator[dict[str, Any]]:
        """As they would have been delivered, newest first; kept 30 days. https://docs.deck.co/events/events"""
        between = {"created_after": _moment(created_after)}
        if created_before is not None:
            between["created_before"] = _moment(created_before)
        return self._pages("events", between)

    def destinations(self) -> Iterator[Destination]:
        return (Destination.from_json(item) for item in self._pages("event-destinations"))

    def create_destination(self, *, name: str, url: str, secret: str, events: Sequence[str], key: str) -> Destination:
        """With a secret of our own: how a generated one is read back is not documented."""
        body = {"name": name, "type": "webhook", "events": list(events), "webhook": {"url": url, "secret": secret}}
        return Destination.from_json(self._post("event-destinations", body, key=key))

    def update_destination(
        self, destination_id: str, *, url: str, secret: str, events: Sequence[str], key: str
    ) -> Destination:
        body = {"status": "active", "events": list(events), "webhook": {"url": url, "secret": secret}}
        return Destination.from_json(self._send("PATCH", f"event-destinations/{_id(destination_id)}", body, key=key))

    # --- HTTP ----------------------------------------------------------------------------------------------

    def _pages(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page. https://docs.deck.co/api/pagination"""
        query: dict[str, Any] = {**(params or {}), "limit": 100}
        for _ in range(MAX_PAGES):
            page = self._get(path, query)
            yield from _items(page)
            if not page.get("has_more") or not page.get("next_cursor"):
                return
            query["cursor"] = page["next_cursor"]

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._call("GET", path, params=params)

    def _post(self, path: str, body: Mapping[str, Any] | None, *, key: str) -> dict[str, Any]:
        return self._send("POST", path, body, key=key)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, *, key: str) -> dict[str, Any]:
        try:
            content = None if body is None else json.dumps(body, allow_nan=False).encode()
        except ValueError:
            raise DeckRefused("what we wanted to send is not JSON") from None  # its text would hold what we sent
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return self._call(method, path, content=content, headers=headers)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call, tried again while it may help and patience lasts. https://docs.deck.co/api/idempotency"""
        is_typed = time.monotonic() < _held_until.get()
        until = max(time.monotonic() + self._patience, _held_until.get())
        deadline.set(until)
        attempts, timeout = None if is_typed else 3, until - time.monotonic()
        tries = stamina.retry_context(on=self._worth_retrying, attempts=attempts, timeout=timeout, wait_max=2.0)
        for attempt in tries:
            with attempt:
                return self._try(method, path, options)
        raise AssertionError("stamina either returns or raises")

    def _try(self, method: str, path: str, options: Mapping[str, Any]) -> dict[str, Any]:
        doing = f"{method} {path.split('/')[0]}"
        request = self._http.build_request(method, path, **options)
        self._gate.enter()
        try:
            status, content, retry_after = self._exchange(self._http, request, path, limit=MAX_ANSWER)
            if not 200 <= status < 300:
                raise from_answer(status, content, retry_after=retry_after, doing=doing)
        except DeckError as error:
            metrics.deck_refused(error.code, error.request_id)
            busy_for = pause_of(error) if isinstance(error, DeckBusy) else None
            self._gate.leave(failed=isinstance(error, DeckDown), busy_for=busy_for)
            raise
        self._gate.leave(failed=False)
        try:
            return parse_object(content, most_keys=MAX_KEYS) if status != 204 else {}
        except Unreadable as error:
            raise DeckUnreadable(f"Deck's answer to {doing}: {error}") from error

    def _worth_retrying(self, error: Exception) -> bool | float:
        """Whether the same call may succeed soon; a number is how many seconds to wait."""
        if isinstance(error, DeckBusy):
            waits_for_a_session = error.code == SESSION_LIMIT  # clears when some run ends, not in a second
            wait = error.retry_after or 0.0
            may = not waits_for_a_session and wait <= deadline.get() - time.monotonic()
            if isinstance(error, HeldBack):  # it was not sent, so to send it then is no retry
                may = may and time.monotonic() < _held_until.get()
            else:
                may = may and self._gate.may_retry()
            return (wait or True) if may else False
        return isinstance(error, DeckDown) and self._gate.may_retry()

    def _exchange(
        self, http: httpx.Client, request: httpx.Request, path: str, *, limit: int
    ) -> tuple[int, bytes, str | None]:
        """Send, and read at most *limit* bytes: (status, body, Retry-After)."""
        start, status, date = time.monotonic(), 0, ""
        try:
            response = http.send(request, stream=True)
            status = response.status_code
            date = response.headers.get("Date", "") if path != "file" else ""
            try:
                content = bytearray()
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > limit:
                        raise DeckUnreadable("Deck's answer is too long", status=response.status_code)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Only the kind of error: its text may hold an address with a query.
            raise DeckDown(f"no answer from Deck: {type(error).__name__}") from None
        finally:
            metrics.deck_answered(request.method, path, status, time.monotonic() - start, date)
        return response.status_code, bytes(content), response.headers.get("Retry-After")


def pause_of(error: DeckBusy) -> float | None:
    """Seconds in which nobody should call. A session too many concerns the run that wanted it, and nothing else."""
    if error.code == SESSION_LIMIT:
        return None
    return BUSY_SECONDS if error.retry_after is None else min(error.retry_after, LONGEST_PAUSE)


def _items(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A list's objects. No list at all is not the same as an empty one: somebody may create what is missing."""
    data = page.get("data")
    if not isinstance(data, list):
        raise DeckUnreadable("Deck gave no list where it promised one")
    return [item for item in data if isinstance(item, dict)]


def _about(told: Told, id: str) -> Told:
    """*told*, which must be about the object we asked about."""
    if told.id != id:
        raise DeckUnreadable("Deck told us about another object than the one we asked about")
    return told


def _sign_in(username: str, password: str, source_fields: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {"username": username, "password": password}
    if source_fields:
        given["source_fields"] = dict(source_fields)
    return given


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(id: str) -> str:
    """An id fit for a path: anything else would be a way to another path."""
    if not ID.fullmatch(id):
        raise DeckError("that is not one of Deck's ids")
    return id
