"""The programs as their users start them, killed at random under load. The machine, the database and Deck go on."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.crash.stories import WORD
from tests.deck.once import BANK, CARD, CODE, PASSWORD
from tests.people import Visitor

GANGWAY = [sys.executable, "-m", "webapp"]
SHORTEST, LONGEST = 0.05, 0.5
"""Seconds between two killings."""

PATIENCE = 90.0
"""Seconds a person waits for one thing to happen before the test says that it never will."""


class Ward:
    """One program that is started again whenever it was killed; *port* is where it says that it lives."""

    def __init__(self, command: list[str], environ: dict[str, str], log: Path, port: int) -> None:
        self.command, self.environ, self.log, self.port = command, environ, log, port
        self.deaths = 0
        self.starts()

    def starts(self) -> None:
        with self.log.open("ab") as out:
            environ = {**os.environ, **self.environ}
            self.process = subprocess.Popen(
                [*GANGWAY, *self.command], stdout=out, stderr=out, env=environ, start_new_session=True
            )

    def is_up(self) -> bool:
        """Whether it had time to begin: killing what is still being loaded would only test the start."""
        try:  # the port is open long before anybody answers there
            return httpx.get(f"http://127.0.0.1:{self.port}/livez", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def killed(self) -> None:
        """It and whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        self.deaths += 1
        self.starts()

    def ends(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()


@dataclass
class Killer:
    """Kills one of the wards every now and then, as its seed says."""

    wards: list[Ward]
    seed: int
    stopping: threading.Event = field(default_factory=threading.Event)

    def goes_round(self) -> None:
        dice = random.Random(self.seed)
        while not self.stopping.wait(dice.uniform(SHORTEST, LONGEST)):
            ward = dice.choice(self.wards)
            if ward.is_up():
                ward.killed()


class Stubborn(Visitor):
    """Somebody who tries again whatever happens, and connects and disconnects the same bank again and again."""

    def __init__(self, url: str, name: str) -> None:
        self.email = f"{name}@sample.example"
        self.http = httpx.Client(base_url=url, timeout=10)
        self.page = httpx.Response(204, request=httpx.Request("GET", url))
        self.rounds = 0
        self.statuses: set[int] = set()

    def lives(self, until: Callable[[], bool]) -> None:
        while not until():
            self._patiently(self._is_in)
            self._patiently(self._is_connected)
            self._patiently(self._is_rid_of_it)
            self.rounds += 1

    def _patiently(self, reaches: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            with contextlib.suppress(httpx.TransportError):
                if reaches():
                    return
                self.statuses.add(self.page.status_code)
            time.sleep(0.1)
        raise AssertionError(f"{self.email} waits in vain ({reaches.__name__}) at {self.page.url}:\n{self.sees()}")

    def _is_in(self) -> bool:
        self.opens("/connections")
        if self.page.url.path == "/connections":
            return True
        self.opens("/sign-up")
        self.presses("Create account", email=self.email, password=WORD)
        if "There is an account" in self.sees():
            self.opens("/sign-in")
            self.presses("Sign in", email=self.email, password=WORD)
        return self.page.url.path == "/connections"

    def _is_connected(self) -> bool:
        """One step closer; whether it is done."""
        parts = self.page.url.path.split("/")
        if parts[1] != "connect":
            self.opens("/connections")
            if BANK in self.sees():
                self.presses(BANK)
                return True  # from an earlier visit: then it only has to be undone
            self.presses("Connect an account")
            return False
        self.opens("/".join(parts[:3]))
        match self.view():
            case "consent":
                self.presses("Agree and continue")
            case "pick":
                self.presses(BANK)
            case "sign_in":
                self.presses("Sign in", username=CARD, password=PASSWORD)
            case "input":
                self.presses("Start")
            case "interaction":
                self.presses("Continue", f0=CODE)
            case "outcome" | "paused" | "down" | "left" | "expired":
                return True
        return False

    def _is_rid_of_it(self) -> bool:
        self.opens("/connections")
        if BANK not in self.sees():
            return self.page.status_code == 200
        self.presses(BANK)
        self.presses("Disconnect")
        self.presses("Disconnect")
        return False
