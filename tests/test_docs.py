"""What the documentation names exists, and what exists is documented."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import click
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from webapp import logs, metrics
from webapp.catalog import WORDS
from webapp.cli import cli
from webapp.support.acts import ACTS

ROOT = Path(__file__).parent.parent
OPERATORS = (ROOT / "docs/operators.md").read_text()
README = (ROOT / "README.md").read_text()
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])


def test_every_setting_is_in_the_operators_table_and_nothing_else() -> None:
    source = (ROOT / "webapp/config.py").read_text()
    settings = set(re.findall(r'read\.\w+\("([A-Z_]+)"', source))
    assert settings == set(re.findall(r"^\| `([A-Z_]+)` \|", OPERATORS, re.MULTILINE))


def test_every_word_of_the_catalog_is_explained() -> None:
    for word in WORDS:
        assert f"{word} =" in OPERATORS, word


def test_every_metric_is_in_the_operators_table_with_its_labels_and_nothing_else() -> None:
    counted = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    ours = {m._name + "_total" * isinstance(m, Counter): ", ".join(m._labelnames) for m in counted}
    shown = re.findall(r'yield (?:gauge|gauges)\(\s*"(\w+)"', (ROOT / "webapp/ops/port.py").read_text())
    labelled = {"intents_pending": "kind", "runs_open": "status", "secret_age_days": "setting"}
    labelled |= {"chore_age_seconds": "chore", "chore_problem": "chore"}
    ours |= {f"gangway_{name}": labelled.get(name, "") for name in shown}
    told = re.findall(r"^\| `(gangway_\w+)` \|([^|]*)\|", OPERATORS, re.MULTILINE)
    assert ours == {name: labels.strip() for name, labels in told}


def test_every_event_of_the_log_is_in_the_operators_table_with_its_level() -> None:
    levels = {name: logging.getLevelName(level).lower() for name, level in logs.EVENTS.items()} | {"log": "as it says"}
    assert levels == dict(re.findall(r"^\| `(\w+)` \| (info|warning|as it says) \|", OPERATORS, re.MULTILINE))


def test_every_event_that_is_logged_is_on_the_list() -> None:
    for path in (ROOT / "webapp").rglob("*.py"):
        for name in re.findall(r'logs\.event\("(\w+)"', path.read_text()):
            assert name in logs.EVENTS, f"{path}: {name}"


def test_every_key_of_the_log_is_told() -> None:
    (listed,) = re.findall(r"and may have: ([^.]*)\.", OPERATORS)
    assert re.findall(r"`(\w+)`", listed) == list(logs.KEYS)


def test_every_act_of_the_staff_is_in_their_table_with_its_role_and_nothing_else() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "docs/support.md").read_text(), re.MULTILINE)
    assert dict(told) == {act.name: act.role for act in ACTS.values()}


def test_every_command_the_documentation_names_exists() -> None:
    for line in re.findall(r"gangway (db upgrade|deck sync|[a-z]+)(?=[` \n])", DOCS):
        command: click.Command = cli
        for word in line.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"gangway {line}"
            command = found


def test_every_file_the_documentation_shows_is_there() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_rooms_named_in_the_architecture_are_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    for name in re.findall(r"`((?:webapp/|tests/)?[a-z_/]+\.py)`", text):
        assert (ROOT / name).exists() or (ROOT / "webapp" / name).exists(), name


def test_every_room_is_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rooms = [path for path in (ROOT / "webapp").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert [room.name for room in rooms if f"{room.name}{'/' * room.is_dir()}`" not in text] == []


def test_no_comment_sends_its_reader_to_a_page_of_ours_that_is_not_there() -> None:
    for path in [*(ROOT / "webapp").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for page in re.findall(r"(?<![\w/.-])((?:docs/)?[a-z-]+\.md)\b", path.read_text()):
            assert (ROOT / page).exists(), f"{path.name}: {page}"
