"""The programs, as their users start them: real processes, real sockets, real gunicorn."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import PATIENCE, answering, free_ports, running
from webapp.demo import cast

ROOT = Path(__file__).parent.parent
GANGWAY = [sys.executable, "-m", "webapp"]
TWIN_KEY = {"Authorization": "Bearer sk_live_twin"}

pytestmark = pytest.mark.slow


def settings(folder: Path, port: int, twin_port: int) -> dict[str, str]:
    return {
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
        "VAULT_KEYS": "k1:" + base64.b64encode(b"k" * 32).decode(),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DECK_API_KEY": "sk_live_another_key",
        "DECK_BASE_URL": f"http://127.0.0.1:{twin_port}/v2",
        "DECK_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(b"s" * 32).decode(),
        "DATABASE_URL": f"sqlite:///{folder / 'gangway.sqlite3'}",
        "CATALOG": str(cast.CATALOG),
    }


def gangway(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GANGWAY, *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=ROOT,
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """`gangway serve`, pointed by settings alone at a `gangway twin` with another key on another port."""
    port, twin_port = free_ports(), free_ports()
    environ = settings(tmp_path, port, twin_port)
    twin_log, log = tmp_path / "twin.log", tmp_path / "serve.log"
    twin = [*GANGWAY, "twin", "--port", str(twin_port), "--api-key", "sk_live_another_key", "--demo-sites"]
    with running(twin, twin_log) as twin_process:
        answering(f"http://127.0.0.1:{twin_port}/__admin__/health", twin_process, twin_log)
        for command in (["db", "upgrade"], ["deck", "sync"]):
            done = gangway(*command, environ=environ)
            assert done.returncode == 0, done.stderr
        with running([*GANGWAY, "serve", "--bind", f"127.0.0.1:{port}"], log, environ) as process:
            answering(f"http://127.0.0.1:{port}/", process, log)
            assert_a_crash_writes_no_memory_to_a_file(process.pid)
            yield f"http://127.0.0.1:{port}"
    assert f"The database is {tmp_path / 'gangway.sqlite3'}" in log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()
    assert "rror" not in log.read_text(), log.read_text()


def assert_a_crash_writes_no_memory_to_a_file(pid: int) -> None:
    limits = Path(f"/proc/{pid}/limits")  # not everywhere
    if limits.exists():
        (core,) = [line for line in limits.read_text().splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"]


def test_an_account_is_connected_through_the_served_app(served: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=served, headers=headers, follow_redirects=True, timeout=PATIENCE) as robin:
        robin.post("/sign-up", data={"email": "robin@sample.example", "password": "correct horse battery"})
        visit = robin.post("/connect/start").url.path
        robin.post(f"{visit}/agree")
        robin.post(f"{visit}/source", data={"source": "northlight-power"})
        sign_in = {"username": "robin@sample.example", "password": "bright-light-7"}
        robin.post(f"{visit}/sign-in", data={"source": "northlight-power", **sign_in})
        with robin.stream("GET", f"{visit}/live") as stream:
            seen = re.findall(r'data-view="(\w+)"', "".join(stream.iter_text()))
        assert seen[0] == "progress"
        assert seen[-1] == "outcome"
        assert "Northlight Power is connected" in robin.get(visit).text


def test_wrong_settings_stop_the_start_with_one_line(tmp_path: Path) -> None:
    environ = settings(tmp_path, 5050, 5051) | {"SECRET_KEY": "short"}
    for command in (["serve"], ["deck", "sync"], ["worker"]):
        done = gangway(*command, environ=environ)
        assert done.returncode != 0
        assert [line for line in done.stderr.splitlines() if line] == [
            "Error: SECRET_KEY is too easy to guess: give at least 32 random characters. See docs/operators.md."
        ]


def test_the_list_of_commands_needs_no_settings() -> None:
    nothing = dict.fromkeys(settings(Path("/"), 5050, 5051), "")
    listed = gangway("--help", environ=nothing)
    assert (listed.returncode, listed.stderr) == (0, "")
    for command in ("serve", "db", "deck", "doctor", "demo"):
        assert f"\n  {command} " in listed.stdout
    assert "No such command 'sevre'" in gangway("sevre", environ=nothing).stderr


def test_what_cannot_work_is_not_served(tmp_path: Path) -> None:
    environ = settings(tmp_path, 5050, 5051)
    file = tmp_path / "gangway.sqlite3"
    without_tables = gangway("serve", environ=environ)
    assert without_tables.stderr == f"Error: {file} has no tables: run `gangway db upgrade` first\n"
    assert f"The database is {file}\n" in gangway("db", "upgrade", environ=environ).stderr
    nowhere = gangway("serve", environ=environ | {"CATALOG": "nope.toml"})
    assert nowhere.stderr == f"Error: CATALOG: there is no file {ROOT}/nope.toml. docs/operators.md shows one.\n"
    assert {without_tables.returncode, nowhere.returncode} == {1}


def test_sync_says_plainly_that_deck_does_not_take_the_key(tmp_path: Path) -> None:
    twin_port = free_ports()
    environ = settings(tmp_path, 5050, twin_port)
    log = tmp_path / "twin.log"
    with running([*GANGWAY, "twin", "--port", str(twin_port)], log) as process:
        answering(f"http://127.0.0.1:{twin_port}/__admin__/health", process, log)
        gangway("db", "upgrade", environ=environ)
        done = gangway("deck", "sync", environ=environ)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Deck answered 401 api_key_invalid")


def test_several_worlds_are_served_side_by_side(tmp_path: Path) -> None:
    port, log = free_ports(2), tmp_path / "twins.log"
    command = ["twin", "--port", str(port), "--workers", "2", "--frozen", "--t0", "2025-01-31T23:59:00Z"]
    with running([*GANGWAY, *command], log) as process:
        for number in (port, port + 1):
            answering(f"http://127.0.0.1:{number}/__admin__/health", process, log)
        made = httpx.post(f"http://127.0.0.1:{port}/v2/agents", json={"name": "A"}, headers=TWIN_KEY).json()
        assert made["created_at"].startswith("2025-01-31T23:59:00")
        there = httpx.get(f"http://127.0.0.1:{port + 1}/v2/agents", headers=TWIN_KEY).json()
    assert there["data"] == [], "worlds never meet"
    refused = gangway("twin", "--t0", "yesterday", environ={})
    assert refused.returncode == 2
    assert "--t0" in refused.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    port = free_ports(3)
    log = tmp_path / "demo.log"
    with running([*GANGWAY, "demo", "--port", str(port)], log) as process:
        answering(f"http://127.0.0.1:{port}/", process, log)
        again = gangway("demo", "--port", str(port), environ={})
    assert again.returncode == 1
    assert "is taken: give another one with --port (make demo PORT=6060)" in again.stderr


def test_the_demo_has_a_company_ready_and_is_reached_from_another_shell(tmp_path: Path) -> None:
    port = free_ports(3)
    log, made = tmp_path / "demo.log", 'gangway host webhook "Your company" --url http://localhost:3000/webhooks'
    with running([*GANGWAY[:1], "-u", *GANGWAY[1:], "demo", "--port", str(port)], log) as process:
        said = until_said(r"goes when you press Ctrl-C", log, process)
        assert made in said
        (key,) = re.findall(r"its secret key is  (sk_test_\S+)", said)
        (file,) = re.findall(r"^    (\. \S+)$", said, re.MULTILINE)
        shell = f"{file} && {made.replace('gangway', 'python -m webapp', 1)}"
        there = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
        assert re.search(r"^whsec_\S+$", there.stdout, re.MULTILINE), there.stderr
        (deck, admin_key) = re.findall(r"(http\S+/__admin__/ui) : the key is  (\S+)", said)[0]
        assert httpx.post(f"{deck}/key", data={"key": admin_key}).status_code == 303
        user, auth = {"user": {"client_user_id": "user-7"}}, {"Authorization": f"Bearer {key}"}
        sessions = f"http://127.0.0.1:{port}/v1/connect/sessions"
        assert httpx.post(sessions, json=user, headers=auth, timeout=PATIENCE).status_code == 201
        elsewhere = httpx.post(sessions.replace("127.0.0.1", "localhost"), json=user, headers=auth)
        assert f"answers at http://127.0.0.1:{port}." in elsewhere.json()["error"]["error_message"]


def until_said(pattern: str, log: Path, process: subprocess.Popen[bytes]) -> str:
    """What it has printed, as soon as *pattern* is in it."""
    for _ in range(600):
        if re.search(pattern, said := log.read_text()):
            return said
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
    raise AssertionError(f"{pattern} was never said:\n{log.read_text()}")


def test_a_wheel_installed_into_an_empty_environment_serves_the_demo(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("gangway-*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty/bin/python"
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run(
        [*install, "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True, capture_output=True
    )
    subprocess.run([*install, "--no-deps", str(wheel)], check=True, capture_output=True)

    port, log = free_ports(3), tmp_path / "demo.log"
    with running([str(tmp_path / "empty/bin/gangway"), "demo", "--port", str(port)], log) as process:
        page = answering(f"http://127.0.0.1:{port}/sign-in", process, log)
        assert page.status_code == 200, log.read_text()
        for name in ("app.css", "page.js", "vendor/htmx.js"):
            assert httpx.get(f"http://127.0.0.1:{port}/static/{name}").status_code == 200, name
