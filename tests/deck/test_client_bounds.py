"""No server can hold the client, fill it, lead it away or make it talk: real sockets on this machine."""

from __future__ import annotations

import datetime
import gzip
import json
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deck.conftest import RUN, Script
from webapp.deck import DeckClient, DeckDown, DeckError, DeckRefused, DeckUnreadable

PATIENCE = 0.3
LONG = 3.0
"""Far more than the patience, far less than a hang."""

Behaviour = Callable[[socket.socket], None]


class Server:
    """Takes connections on this machine and misbehaves."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = lambda connection: None
        self.tls: ssl.SSLContext | None = None
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = True
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        while self._open:
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._misbehave, args=(connection,)))
                self._threads[-1].start()

    def _misbehave(self, connection: socket.socket) -> None:
        with suppress(OSError), ExitStack() as closing:
            closing.enter_context(connection)
            connection.settimeout(LONG)
            if self.tls:
                connection = closing.enter_context(self.tls.wrap_socket(connection, server_side=True))
            self.requests.append(connection.recv(65_536))
            self.behaviour(connection)

    def drips(self, start: bytes, drop: bytes, every: float = 0.02) -> None:
        """Send *start*, then *drop* after *drop* without an end."""

        def drip(connection: socket.socket) -> None:
            connection.sendall(start)
            while self._open:
                connection.sendall(drop)
                time.sleep(every)

        self.behaviour = drip

    def says(self, answer: bytes) -> None:
        self.behaviour = lambda connection: connection.sendall(answer)

    def close(self) -> None:
        self._open = False
        for thread in self._threads:
            thread.join(timeout=5)
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def real(server: Server) -> Iterator[DeckClient]:
    client = DeckClient(api_key="k", base_url=f"http://{server.address}/v2", patience=PATIENCE)
    yield client
    client.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (HEAD, b"X-Drip: 1\r\n"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n{", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"\r\n{", b" "),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "headers", "body", "chunks", "no length", "100s"],
)
def test_dripping_bytes_do_not_buy_time(server: Server, real: DeckClient, start: bytes, drop: bytes) -> None:
    server.drips(start, drop)
    began = time.monotonic()
    with pytest.raises(DeckDown):
        real.get_run("trun_1")
    assert time.monotonic() - began < LONG


def test_a_storm_of_100s_does_not_buy_time(server: Server, real: DeckClient) -> None:
    server.drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, every=0)
    began = time.monotonic()
    with pytest.raises(DeckDown):
        real.get_run("trun_1")
    assert time.monotonic() - began < LONG


def test_silence_ends_too(server: Server, real: DeckClient) -> None:
    server.behaviour = lambda connection: time.sleep(1)
    began = time.monotonic()
    with pytest.raises(DeckDown):
        real.cancel_run("trun_1", key="k")
    assert time.monotonic() - began < LONG


def test_a_connection_closed_without_an_answer_is_tried_again(server: Server, real: DeckClient) -> None:
    with pytest.raises(DeckDown):
        real.cancel_run("trun_1", key="same")
    assert len(server.requests) == 3
    assert all(b"idempotency-key: same" in request.lower() for request in server.requests)


def test_a_redirect_is_not_followed(server: Server, real: DeckClient) -> None:
    server.says(f"HTTP/1.1 302 Found\r\nLocation: http://{server.address}/meta\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(DeckUnreadable):
        real.get_run("trun_1")
    assert len(server.requests) == 1


def test_a_compressed_answer_is_not_unpacked(server: Server, real: DeckClient) -> None:
    packed = gzip.compress(json.dumps(RUN).encode())  # good once unpacked: 200 kB may hold 200 MB
    server.says(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
    with pytest.raises(DeckUnreadable):
        real.get_run("trun_1")


def test_proxy_variables_lead_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.says(HEAD + b"Content-Length: 2\r\n\r\n{}")
    with closing(DeckClient(api_key="k", base_url=f"http://{server.address}/v2")) as client:
        client.test()
    assert server.requests[0].startswith(b"GET /v2/test HTTP/1.1\r\n")


def test_a_certificate_of_its_own_making_is_refused(server: Server, tmp_path: Path) -> None:
    server.tls = self_signed(tmp_path)
    server.says(HEAD + b"Content-Length: 2\r\n\r\n{}")
    client = DeckClient(api_key="k", base_url=f"https://{server.address}/v2", patience=1)
    with closing(client), pytest.raises(DeckDown, match="ConnectError"):
        client.test()
    assert server.requests == []


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    kept = folder / "server.pem"
    kept.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kept)
    return context


# --- without sockets ---------------------------------------------------------------------------------------------


class Endless(httpx.SyncByteStream):
    """An answer without an end, which counts what was taken of it."""

    taken = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.taken += 100_000
            yield b" " * 100_000


def test_a_long_answer_is_left_unread() -> None:
    endless = Endless()
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=endless))
    with pytest.raises(DeckUnreadable, match="too long"):
        DeckClient(api_key="k", base_url="https://deck.example/v2", transport=transport).get_run("trun_1")
    assert 2_000_000 < endless.taken <= 2_200_000


def test_three_megabytes_are_too_many_and_two_are_not(script: Script, client: DeckClient) -> None:
    script.says((200, {**RUN, "output": {"x": "a" * 3_000_000}}))
    with pytest.raises(DeckUnreadable):
        client.get_run("trun_1")
    script.says((200, {**RUN, "output": {"x": "a" * 1_900_000}}))
    assert client.get_run("trun_1").id == "trun_1"


def test_no_cookie_is_ever_sent_back(script: Script, client: DeckClient) -> None:
    script.says(httpx.Response(200, headers={"Set-Cookie": "who=robin; Path=/"}, content=b"{}"))
    client.test()
    client.test()
    assert "Cookie" not in script.asked[1].headers


CANARY = "canary-7f3a"
ECHOES = [
    (400, {"errors": {"auth_credentials.password": [f"{CANARY} is too short"]}}),
    (422, {"errors": [{"type": "request", "code": "x", "message": CANARY, "field": "password"}]}),
    (500, CANARY.encode()),
    (200, CANARY.encode()),
    (200, {"id": CANARY * 50, "updated_at": CANARY}),
    httpx.ReadError(CANARY),
    httpx.Response(302, headers={"Location": f"https://x.example/{CANARY}"}),
]


@pytest.mark.parametrize("answer", ECHOES, ids=range(len(ECHOES)))
def test_no_error_and_no_log_tells_a_secret(
    script: Script, client: DeckClient, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    script.says(answer)  # type: ignore[arg-type]
    for name in ("", "httpx", "httpcore", "stamina"):
        caplog.set_level(logging.DEBUG, logger=name)
    sign_in = {"username": "robin", "password": CANARY, "source_fields": {"pin": CANARY}}
    for call in (
        lambda: client.create_credential(source_id="src_1", external_id="k", key="k", **sign_in),
        lambda: client.update_credential("cred_1", key="k", **sign_in),
        lambda: client.answer("trun_1", {"code": CANARY}, key="k"),
    ):
        with pytest.raises(DeckError) as caught:
            call()
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.args)
        assert CANARY not in told
    assert CANARY not in caplog.text
    assert not any(CANARY in repr(vars(record)) for record in caplog.records)


def test_what_cannot_be_said_in_json_is_refused_without_a_word_of_it(script: Script, client: DeckClient) -> None:
    with pytest.raises(DeckRefused) as caught:
        client.run_task("task_1", credential_id="cred_1", input={"x": float("nan"), "y": CANARY}, key="k")
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert script.asked == []


def test_half_a_character_can_be_sent(script: Script, client: DeckClient) -> None:
    script.says((200, RUN))
    client.answer("trun_1", {"\ud800": "1"}, key="k")
    assert script.asked[0].content == b'{"input": {"\\ud800": "1"}}'


def test_writes_are_all_covered(client: DeckClient) -> None:
    """Every public method that takes a key is in `writes`: a new one has to come here too."""
    public = [name for name in dir(client) if not name.startswith("_")]
    writing = {name for name in public if "key" in getattr(client, name).__annotations__}
    source = Path(__file__).with_name("conftest.py").read_text()
    assert writing == {name for name in public if f"client.{name}(" in source}
