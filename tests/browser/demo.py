"""`gangway demo` as a process of its own: started, waited for, searched for secrets, ended."""

from __future__ import annotations

import base64
import re
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx

from tests.processes import PATIENCE, free_ports

ROOT = Path(__file__).parent.parent.parent
OUTPUT = ROOT / "test-output"
READY = re.compile(r"All data is in (\S+) and goes when you press Ctrl-C\.\n")


class Demo:
    """A running demo. `secrets` is what people typed and nobody may keep."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.sample_host = f"http://localhost:{port + 2}"
        self.log = log
        self.secrets: set[str] = set()
        self._addresses = (f"127.{a}.{b}.{c}" for a in range(10, 250) for b in range(250) for c in range(1, 250))

    @property
    def folder(self) -> Path:
        """Where it says its data is."""
        said = READY.search(self.log.read_text())
        assert said, "the demo has not said where its data is"
        return Path(said[1])

    def an_address(self) -> str:
        """A loopback address nobody has called from yet."""
        return next(self._addresses)

    def somebody(self) -> tuple[str, str]:
        """A new person's email and password."""
        name, password = uuid.uuid4().hex, f"pass phrase {uuid.uuid4()}"
        self.secrets.add(password)
        return f"{name}@sample.example", password

    # --- what is left of secrets -----------------------------------------------------------------------------

    def kept_secrets(self) -> list[str]:
        """Every typed secret that can be read in the database's files or in what the demo printed, in any dress."""
        printed = self.log.read_text()
        table_ends = READY.search(printed)
        assert table_ends, "the demo has not finished telling"
        places = {path.name: path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}
        assert any(name.endswith(".sqlite3") for name in places), f"no database among {sorted(places)}"
        # The table of sign-ins tells the cast's passwords, on purpose; nothing before or after it may.
        places["before the table"] = printed.partition("\n  Gangway is on")[0].encode()
        places["after the table"] = printed[table_ends.end() :].encode()
        for path in sorted(self.folder.rglob("*.sqlite3")):
            places[f"the rows of {path.name}"] = rows_of(path)
        return [
            f"{secret!r} is in {place}, {dress}"
            for secret in sorted(self.secrets)
            for dress, needle in dresses(secret)
            for place, text in places.items()
            if needle.search(text)
        ]


def rows_of(database: Path) -> bytes:
    """Every row as text, each value in quotes: in the file itself neighbours touch, and a short code hides there."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump()).encode()


def dresses(secret: str) -> Iterator[tuple[str, re.Pattern[bytes]]]:
    """The ways a secret could lie about: as it is, in hexadecimal, URL-encoded, in base64 at any offset."""
    raw = secret.encode()
    # Digits alone also turn up inside random ids and fractions of seconds: a code counts where it is a word.
    edges = (rb"(?<![\w.-])", rb"(?![\w-])") if secret.isdigit() else (b"", b"")
    yield "as it is", re.compile(edges[0] + re.escape(raw) + edges[1])
    yield "in hexadecimal", re.compile(re.escape(raw.hex().encode()), re.IGNORECASE)
    for quoted in {quote(secret, safe=""), quote_plus(secret)} - {secret}:
        yield "URL-encoded", re.compile(re.escape(quoted.encode()), re.IGNORECASE)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # The characters at both ends depend on the neighbours too.
            whole = encode(b"\0" * offset + raw)
            start, stop = (0, 2, 3)[offset], len(whole) - (0, 3, 2)[len(b"\0" * offset + raw) % 3]
            yield "in base64", re.compile(re.escape(whole[start:stop]))


@contextmanager
def running_demo(name: str) -> Iterator[Demo]:
    """The real thing, on three free ports; its output is kept in a file."""
    OUTPUT.mkdir(exist_ok=True)
    port, log = free_ports(3), OUTPUT / f"demo-{name}.log"
    with log.open("wb") as output:
        command = [sys.executable, "-u", "-m", "webapp", "demo", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            demo = Demo(port, log)
            wait_for(demo, process)
            yield demo
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
    assert process.returncode == 0, f"the demo ended with {process.returncode}; see {log}"
    assert not demo.folder.exists(), "the demo left its data behind"


def wait_for(demo: Demo, process: subprocess.Popen[bytes]) -> None:
    """Until it has told everything and answers, or is dead."""
    for _ in range(round(10 * PATIENCE)):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        assert process.poll() is None, f"the demo ended before it began:\n{demo.log.read_text()}"
        if READY.search(demo.log.read_text()):
            assert httpx.get(demo.url).status_code == 200
            return
    raise AssertionError(f"the demo is not there; see {demo.log}")
