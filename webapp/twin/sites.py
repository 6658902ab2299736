"""Simulated websites: who has an account there, what the site asks them, and what a run finds.

A site is data, seeded through the control plane; the vendor plane knows no reserved values. A source
whose host is not a site's takes any sign-in.
"""

from __future__ import annotations

import hmac
from typing import Any, Literal
from urllib.parse import urlsplit

from .branches import check_branch
from .clock import DURATIONS, duration
from .errors import ControlError
from .files import check_file
from .objects import Object
from .pinnable import check_interaction

SITE_FIELDS = {"host", "status", "people", "refuses_runs"}
PERSON_FIELDS = {"username", "password", "source_fields", "asks", "branch", "output", "files", "durations"}
STATUSES = ("up", "down", "blocked", "blocklisted")


class Sites:
    """The websites of this world, by host name."""

    def __init__(self) -> None:
        self._by_host: dict[str, Object] = {}
        self._down: set[str] = set()
        """Ids of the sources that are down although no site of ours is behind them."""

    def put(self, site: Object) -> Object:
        """Add or replace a site (`host`, `status`, `people`, `refuses_runs`); 422 where the data is wrong."""
        if not isinstance(site.get("host"), str):
            raise ControlError(
                422, "unknown_field", "a site needs a host", hint='{"host": "bank.example", "people": []}'
            )
        for given, known in [(site, SITE_FIELDS), *((p, PERSON_FIELDS) for p in site.get("people", []))]:
            if not isinstance(given, dict):
                raise ControlError(422, "unknown_field", f"a person is an object, not {given!r}")
            if unknown := set(given) - known:
                raise ControlError(
                    422, "unknown_field", f"no field {sorted(unknown)[0]!r}", hint=f"known: {sorted(known)}"
                )
        if site.get("status", "up") not in STATUSES:
            raise ControlError(422, "unknown_field", f"status is one of {', '.join(STATUSES)}")
        for person in site.get("people", []):
            check_person(person)
        kept = {"status": "up", "people": [], "refuses_runs": 0, **site}
        self._by_host[site["host"].lower().removeprefix("www.")] = kept
        return kept

    def all(self) -> list[Object]:
        return [
            {**site, "people": [{k: v for k, v in p.items() if k != "password"} for p in site["people"]]}
            for site in self._by_host.values()
        ]

    def of(self, source: Object | None) -> Object | None:
        """The site a source's address leads to, if it is one of ours."""
        url = (source or {}).get("website", {}).get("url", "")
        return self._by_host.get((urlsplit(url).hostname or "").removeprefix("www."))

    def status(self, source: Object | None) -> str:
        """How the site behind a source is: up, down, blocked or blocklisted."""
        if site := self.of(source):
            return str(site["status"])
        return "down" if source and source["id"] in self._down else "up"

    def switch(self, source: Object, status: Literal["up", "down"]) -> None:
        """Let the site behind a source go down or come back; runs notice when they sign in."""
        if site := self.of(source):
            site["status"] = status
        elif status == "down":
            self._down.add(source["id"])
        else:
            self._down.discard(source["id"])

    def person(self, site: Object, credential: Object | None) -> Object | None:
        """Whoever the sign-in belongs to; None when the site would refuse it."""
        if credential is None:
            return None
        given = credential["auth_credentials"]
        for person in site["people"]:
            if (
                person["username"].casefold() == str(given.get("username")).casefold()
                and hmac.compare_digest(person["password"].encode(), str(credential["_password"]).encode())
                and person.get("source_fields", {}) == (given.get("source_fields") or {})
            ):
                return dict(person)
        return None

    def known(self, site: Object | None, credential: Object | None) -> Object:
        """The person the username names, right password or not: their pace decides how long things take."""
        username = str(((credential or {}).get("auth_credentials") or {}).get("username")).casefold()
        people: list[dict[str, Any]] = site["people"] if site else []
        return next((p for p in people if p["username"].casefold() == username), {})


def check_person(person: Object) -> None:
    """422 for what would only come to light in the middle of a run."""
    if not isinstance(person.get("username"), str) or not isinstance(person.get("password"), str):
        raise ControlError(422, "unknown_field", "a person needs a username and a password")
    for asked in person.get("asks", []):
        check_interaction(asked)
    check_branch(person.get("branch", "completed"))
    for file in person.get("files", []):
        check_file(file)
    for name, value in person.get("durations", {}).items():
        if name not in DURATIONS:
            raise ControlError(422, "unknown_field", f"no duration is called {name}", hint=", ".join(DURATIONS))
        try:
            duration(value)
        except ValueError as error:
            raise ControlError(422, "invalid_duration", str(error)) from error
