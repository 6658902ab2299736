"""Streams to browsers: coming back, coming to an end, reading nothing, and the deploy that sends them all away."""

from __future__ import annotations

import errno
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

import tests.test_live as stories
from tests.deck.once import CARD, CODE, PASSWORD, looks
from tests.many_browsers import addresses, many_browsers
from tests.people import Deck, Visitor
from tests.processes import PATIENCE, answering, free_ports, running
from tests.test_live import Tab
from tests.test_programs import GANGWAY, gangway, settings
from webapp import live, serving

IDS = [None, "0", "1", "999999999999", "-1", "garbage", "x" * 10_000, "a b"]


@pytest.fixture
def hearts_beat_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.001)


@pytest.mark.parametrize("last_seen", IDS)
def test_r21_whatever_a_browser_remembers_it_is_shown_the_present_once(
    asked: Visitor, deck: Deck, hearts_beat_at_once: None, last_seen: str | None
) -> None:
    if last_seen is not None:
        asked.http.headers["Last-Event-ID"] = last_seen
    tab = Tab(asked)
    assert 'data-view="interaction"' in next(tab)
    assert next(tab) == ": still here\n\n", "once, not twice"
    tab.close()


def test_r22_the_end_is_said_and_a_browser_that_asks_again_hears_it_again(
    asked: Visitor, deck: Deck, hearts_beat_at_once: None
) -> None:
    asked.presses("Continue", f0=CODE)
    deck.goes_on()
    for _ in range(5):
        frames = list(Tab(asked))
        assert len(frames) == 2 and 'data-view="outcome"' in frames[0]
        assert frames[1] == "event: over\ndata: \n\n", "the page does not come back"
    looks(asked)
    assert "hx-sse" not in asked.page.text, "a page that is over opens no stream"


def test_r22_five_reconnects_are_five_frames(asked: Visitor, deck: Deck, hearts_beat_at_once: None) -> None:
    for _ in range(5):
        tab = Tab(asked)
        assert 'data-view="interaction"' in next(tab)
        assert next(tab) == ": still here\n\n"
        tab.close()
    assert deck.app.extensions["gangway"].bus.topics("visit/") == [], "nobody listens for a tab that is gone"


def test_r28_a_proxy_neither_keeps_the_stream_back_nor_cuts_it(robin: Visitor, deck: Deck, asked: Visitor) -> None:
    assert live.HEARTBEAT <= 15, "shorter than any proxy's patience"
    began = time.monotonic()
    tab = Tab(asked)
    assert next(tab) and time.monotonic() - began < live.HEARTBEAT
    tab.close()
    stories.test_the_stream_is_not_cached_or_buffered(robin, deck)


# --- real sockets ------------------------------------------------------------------------------------------------


class Town:
    """`gangway serve` beside a `gangway twin`, and the app's restarts."""

    def __init__(self, folder: Path, environ: dict[str, str], port: int) -> None:
        self.folder, self.environ, self.port = folder, environ, port
        self.open: list[socket.socket | httpx.Client] = []
        self.url, self.log = f"http://127.0.0.1:{port}", folder / "serve.log"
        self.addresses = addresses()

    def serves(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return running([*GANGWAY, "serve", "--bind", f"127.0.0.1:{self.port}"], self.log, self.environ)

    def signs_in(self, source: str, username: str, password: str) -> tuple[httpx.Client, str]:
        """Somebody in the middle of a visit: their browser, and the visit's address."""
        robin = httpx.Client(
            base_url=self.url, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=True, timeout=PATIENCE
        )
        self.open.append(robin)
        robin.post("/sign-up", data={"email": "robin@sample.example", "password": "correct horse battery"})
        visit = robin.post("/connect/start").url.path
        robin.post(f"{visit}/agree")
        robin.post(f"{visit}/source", data={"source": source})
        robin.post(f"{visit}/sign-in", data={"source": source, "username": username, "password": password})
        return robin, visit

    def browsers(self, robin: httpx.Client, count: int) -> list[str]:
        """The cookies of so many more browsers of Robin's: each may have a few streams only."""
        database, key = self.environ["DATABASE_URL"], self.environ["SECRET_KEY"]
        return many_browsers(database, key, str(robin.cookies["gangway"]), count)

    def opens_stream(self, cookie: str, visit: str, *, buffer: int = 0) -> socket.socket:
        """In the browser with this cookie, from the next of our addresses."""
        stream = socket.socket()
        self.open.append(stream)
        if buffer:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        stream.settimeout(PATIENCE)
        stream.bind((next(self.addresses), 0))
        stream.connect(("127.0.0.1", self.port))
        lines = [f"GET {visit}/live HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Cookie: gangway={cookie}"]
        stream.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return stream


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    port, twin_port = free_ports(), free_ports()
    environ = settings(tmp_path, port, twin_port)
    twin, twin_log = [*GANGWAY, "twin", "--port", str(twin_port), "--demo-sites"], tmp_path / "twin.log"
    with running([*twin, "--api-key", "sk_live_another_key"], twin_log) as process:
        answering(f"http://127.0.0.1:{twin_port}/__admin__/health", process, twin_log)
        for command in (["db", "upgrade"], ["deck", "sync"]):
            done = gangway(*command, environ=environ)
            assert done.returncode == 0, done.stderr
        town = Town(tmp_path, environ, port)
        yield town
        for one in town.open:
            one.close()


SLOW = 200
NOT_HELD_UP = serving.UNREAD_SECONDS * 2 / 3
"""Seconds, well before those who read nothing are cut off and could hold up nobody any more."""


@pytest.mark.slow
def test_r27_two_hundred_who_read_nothing_hold_nobody_up(town: Town) -> None:
    with town.serves() as process:
        answering(town.url, process, town.log)
        robin, visit = town.signs_in("maple-and-main", CARD, PASSWORD)
        for cookie in town.browsers(robin, SLOW):
            town.opens_stream(cookie, visit, buffer=1)
        began = time.monotonic()
        with robin.stream("GET", f"{visit}/live") as stream:
            text = ""
            for chunk in stream.iter_text():
                text += chunk
                if 'data-view="interaction"' in text:
                    break
        assert time.monotonic() - began < NOT_HELD_UP
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert robin.get("/connections").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < NOT_HELD_UP
        assert 'data-view="interaction"' in robin.get(visit).text


def test_r27_who_reads_nothing_for_a_while_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as reader:
        serving.cut_off_who_reads_nothing(listener, seconds=0.5)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        reader.connect(listener.getsockname())
        stream, _ = listener.accept()
        with stream, pytest.raises(TimeoutError) as cut:
            stream.settimeout(30)
            while True:
                stream.send(b"x" * 65_536)
        assert cut.value.errno == errno.ETIMEDOUT, "by the kernel, not by our patience"


STREAMS = 200
"""Of the thousand in the table: each fragment costs 5 ms of a core, three times over. `make bench` sends 5,000 away."""


@pytest.mark.slow
def test_r33_a_deploy_says_goodbye_to_every_stream_and_loses_no_update(town: Town) -> None:
    with town.serves() as process, ThreadPoolExecutor(20) as pool:
        answering(town.url, process, town.log)
        robin, visit = town.signs_in("maple-and-main", CARD, PASSWORD)
        cookies = town.browsers(robin, STREAMS)
        shown_on(town.opens_stream(robin.cookies["gangway"], visit), "interaction")
        streams = list(pool.map(lambda cookie: town.opens_stream(cookie, visit), cookies))
        list(pool.map(lambda stream: shown_on(stream, "interaction"), streams))
        process.send_signal(signal.SIGTERM)
        ends = list(pool.map(rest_of, streams))
        process.wait(PATIENCE)
    waits = [int(found[1]) for end in ends if (found := re.search(rb"event: farewell\nretry: (\d+)\n\n", end))]
    assert len(waits) == STREAMS, "each is told to come back"
    assert min(waits) >= 1_000 and max(waits) < 5_000 and len(set(waits)) > STREAMS / 2, "and not all at once"
    assert not any(b"event: over" in end for end in ends)
    with town.serves() as process, ThreadPoolExecutor(20) as pool:
        answering(town.url, process, town.log)
        again = list(pool.map(lambda cookie: town.opens_stream(cookie, visit), cookies))
        list(pool.map(lambda stream: shown_on(stream, "interaction"), again))
        prompt = re.search(r'name="prompt" value="([^"]+)"', robin.get(visit).text)
        assert prompt is not None
        robin.post(f"{visit}/answer", data={"prompt": prompt[1], "f0": CODE})
        ends = list(pool.map(lambda stream: shown_on(stream, "outcome"), again))
        assert len(ends) == STREAMS


def shown_on(stream: socket.socket, view: str) -> bytes:
    """What came until *view* was shown."""
    seen, wanted = b"", f'data-view="{view}"'.encode()
    while wanted not in seen:
        more = stream.recv(65_536)
        assert more, seen[-300:]
        seen += more
    return seen


def rest_of(stream: socket.socket) -> bytes:
    seen = b""
    while more := stream.recv(65_536):
        seen += more
    return seen
