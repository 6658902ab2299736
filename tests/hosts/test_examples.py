"""What docs/hosts.md shows works as it stands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

from tests.companies import BANK, Server, connects, follows
from tests.people import Deck, Visitor
from tests.processes import PATIENCE
from webapp.hosts.openapi import document
from webapp.models.delivery import new_secret

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/hosts.md").read_text()


def block(kind: str) -> str:
    return "\n".join(re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def installation(app: Flask) -> Iterator[str]:
    """The app on loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def filled_in(code: str, address: str, company: Server) -> str:
    return code.replace("http://127.0.0.1:5050", address).replace("sk_test_your_key", company.key)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_example_works(installation: str, tidepool: Server) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl on this machine")
    told = json.loads(run("sh", "-c", filled_in(block("sh"), installation, tidepool)))
    assert told["hosted_url"].startswith("http://localhost/go/")


def test_the_python_example_works(
    installation: str, tidepool: Server, kim: Visitor, deck: Deck, capsys: pytest.CaptureFixture[str]
) -> None:
    follows(kim, tidepool.invites("user-7"))
    connects(kim, deck)
    exec(compile(filled_in(block("python"), installation, tidepool), "docs/hosts.md", "exec"), {})
    said = capsys.readouterr().out
    assert "send the user to http://localhost/go/ct_test_" in said
    assert "requires_consent" in said and f"{BANK} completed" in said


def test_the_javascript_example_works(installation: str, tidepool: Server, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    script = tmp_path / "example.mjs"
    script.write_text(filled_in(block("js"), installation, tidepool))
    said = run(node, str(script))
    assert "send the user to http://localhost/go/ct_test_" in said and "requires_consent" in said


def signed(secret: str, body: str, when: datetime) -> dict[str, str]:
    signature = Webhook(secret).sign("evt_1", when, body)
    stamp = str(int(when.timestamp()))
    return {"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA v1a,x {signature}"}


def test_the_python_verification_works() -> None:
    room: dict[str, Any] = {}
    exec(compile(block("python webhook"), "docs/hosts.md", "exec"), room)
    secret, body = new_secret(), '{"type": "run.completed"}'
    headers = signed(secret, body, datetime.now(UTC))
    assert room["verified"](body, headers, secret) == {"type": "run.completed"}
    with pytest.raises(WebhookVerificationError):
        room["verified"](body + " ", headers, secret)


def test_the_javascript_verification_works(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    secret, body = new_secret(), '{"type":"run.completed"}'
    good, old = signed(secret, body, datetime.now(UTC)), signed(secret, body, datetime(2026, 1, 1, tzinfo=UTC))
    tries = [
        [body, good, secret],
        [body + " ", good, secret],
        [body, old, secret],
        [body, good, new_secret()],
        [body, {}, secret],
    ]
    (tmp_path / "verified.mjs").write_text(block("js webhook"))
    script = tmp_path / "try.mjs"
    script.write_text(
        'import { verified } from "./verified.mjs";\n'
        f"console.log(JSON.stringify({json.dumps(tries)}.map((one) => verified(...one))));\n"
    )
    assert json.loads(run(node, str(script))) == [{"type": "run.completed"}, None, None, None, None]


def test_the_message_shown_is_a_message() -> None:
    spec = document("")
    shape = {"$ref": "#/components/schemas/Event", "components": spec["components"]}
    jsonschema.validate(json.loads(block("json")), shape, jsonschema.Draft202012Validator)
