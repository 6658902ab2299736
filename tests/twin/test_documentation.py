"""What docs/twin.md shows works as it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from tests.processes import PATIENCE
from webapp.cli import cli
from webapp.twin import pytest_plugin
from webapp.twin.server import create_twin
from webapp.twin.world import ADMIN_KEY, API_KEY, World

from .planes import Twin
from .test_pytest_plugin import says_in_a_process

PAGE = (Path(__file__).parents[2] / "docs/twin.md").read_text()
LINE = re.compile(r"^(GET|POST|PATCH|DELETE) (/\S+)(?: (\{.*\}))? +# (\d{3})$", re.MULTILINE)


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


def table(heads: str) -> str:
    return PAGE.partition(f"| {heads} |\n")[2].partition("\n\n")[0]


@pytest.fixture
def address() -> Iterator[str]:
    """A twin on loopback, time standing still."""
    server = make_server("127.0.0.1", 0, create_twin(World()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_line_answers_with_the_status_it_names(twin: Twin) -> None:
    lines = LINE.findall(blocks("http"))
    assert len(lines) == blocks("http").count("# "), "a line our pattern does not read"
    newest: dict[str, str] = {}
    document = None
    for method, shown, body, status in lines:
        key = API_KEY if shown.startswith("/v2") else ADMIN_KEY
        path = shown
        for prefix, id in newest.items():
            path = path.replace(f"{prefix}_…", id)
        given = document if path.endswith("/import") else json.loads(body) if body else None
        answer = twin.control.client.open(path, method=method, json=given, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == int(status), f"{method} {path}: {answer.text}"
        document = answer.json if path.endswith("/snapshots/before") and method == "GET" else document
        newest |= {id.partition("_")[0]: id for id in re.findall(r'"((?:evt|edlv|evtd)_\w{16})"', answer.text)}
        newest |= {"trc": answer.headers["X-Mock-Resolution-Trace"]} if path.startswith("/v2") else {}


def test_every_verb_of_the_control_plane_is_shown(twin: Twin) -> None:
    shown = {(method, re.sub(r"\?.*", "", path)) for method, path, _, _ in LINE.findall(blocks("http"))}
    for rule in twin.control.client.application.url_map.iter_rules():
        if rule.endpoint.startswith("control.") and rule.endpoint != "control.unknown":
            pattern = re.compile(re.sub(r"<[^>]+>", "[^/]+", rule.rule))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                assert any(m == method and pattern.fullmatch(path) for m, path in shown), f"{method} {rule.rule}"


def test_the_python_example_runs(address: str) -> None:
    exec(compile(blocks("python").replace("http://127.0.0.1:8801", address), "docs/twin.md", "exec"), {})


def test_the_javascript_example_runs(address: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine: the JavaScript example was not run")
    script = tmp_path / "example.mjs"
    script.write_text(blocks("js").replace("http://127.0.0.1:8801", address))
    done = subprocess.run([node, str(script)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.startswith("agt_"), done.stderr


@pytest.mark.slow
def test_the_pytest_example_passes(tmp_path: Path) -> None:
    said = says_in_a_process(tmp_path, blocks("python tests"), "--twin-strict")
    assert "3 passed" in said, said


def test_every_fixture_of_the_plugin_is_explained() -> None:
    fixtures = {name for name, one in vars(pytest_plugin).items() if type(one).__name__ == "FixtureFunctionDefinition"}
    assert fixtures == set(re.findall(r"^\| `(\w+)` \| ", table("fixture | is"), re.MULTILINE))


def test_every_option_of_the_command_is_explained() -> None:
    options = {name for param in cli.commands["twin"].params for name in (*param.opts, *param.secondary_opts)}
    assert options == set(re.findall(r"--[a-z][a-z0-9-]+", table("option | what it does")))
