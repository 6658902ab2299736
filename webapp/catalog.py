"""The catalog: a file that declares the sources people can pick and the tasks that run there."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
WORDS = {
    "username_label",
    "username_hint",
    "username_without_spaces",
    "password_label",
    "password_hint",
    "forgot_url",
    "aliases",
    "source_fields",
}


class BadCatalog(Exception):
    """The catalog cannot be used. The text says where and why."""


@dataclass(frozen=True)
class SourceEntry:
    """One ``[[sources]]`` table."""

    slug: str
    name: str
    url: str
    popularity: int = 0
    words: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskEntry:
    """One ``[[tasks]]`` table. Its prompt is a goal that fits every source (docs.deck.co/concepts/tasks)."""

    slug: str
    name: str
    prompt: str
    gets: list[str]
    will_not: list[str]
    files: bool = False
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None

    def at_deck(self, agent_id: str) -> dict[str, Any]:
        """The task as Deck wants it."""
        return {
            "name": self.name,
            "agent_id": agent_id,
            "prompt": self.prompt,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "storage": {"enabled": True, "extraction": False} if self.files else None,
        }


@dataclass(frozen=True)
class Catalog:
    """Everything declared, in the file's order."""

    agent: str
    sources: list[SourceEntry]
    tasks: list[TaskEntry]


def read_catalog(path: Path) -> Catalog:
    """The catalog in *path*; `BadCatalog` with the place and the reason when it cannot be used."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadCatalog(f"there is no file {path.absolute()}: docs/operators.md shows one") from error
    except OSError as error:
        raise BadCatalog(f"{path.absolute()}: cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadCatalog(f"{path}: {error}") from error
    sources = [read_source(entry, f"sources[{i}]") for i, entry in enumerate(raw.get("sources", []))]
    tasks = [read_task(entry, f"tasks[{i}]") for i, entry in enumerate(raw.get("tasks", []))]
    for kind, entries in (("sources", sources), ("tasks", tasks)):
        slugs = [entry.slug for entry in entries]
        if not slugs:
            raise BadCatalog(f"{path}: needs at least one [[{kind}]]")
        if twice := {slug for slug in slugs if slugs.count(slug) > 1}:
            raise BadCatalog(f"{path}: {kind} has {sorted(twice)[0]!r} twice")
    return Catalog(text(raw, "agent", "catalog", default="Gangway"), sources, tasks)


def read_source(entry: Any, at: str) -> SourceEntry:
    only(entry, {"slug", "name", "url", "popularity", *WORDS}, at)
    url = text(entry, "url", at)
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.netloc.lower() != parts.hostname:
        raise BadCatalog(f"{at}.url: must be an https address without a port or a password")
    words = {name: entry[name] for name in WORDS if name in entry}
    for number, extra in enumerate(words.get("source_fields", [])):
        only(extra, {"name", "label", "hint"}, f"{at}.source_fields[{number}]")
        name = text(extra, "name", f"{at}.source_fields[{number}]")
        if not FIELD_NAME.fullmatch(name) or name in ("username", "password"):
            raise BadCatalog(f"{at}.source_fields[{number}].name: {name!r} is not a name Deck takes")
        text(extra, "label", f"{at}.source_fields[{number}]")
    if not isinstance(words.get("username_without_spaces", False), bool):
        raise BadCatalog(f"{at}.username_without_spaces: must be true or false")
    popularity = entry.get("popularity", 0)
    if not isinstance(popularity, int):
        raise BadCatalog(f"{at}.popularity: must be a whole number")
    return SourceEntry(slug(entry, at), text(entry, "name", at, longest=80), url, popularity, words)


def read_task(entry: Any, at: str) -> TaskEntry:
    only(entry, {"slug", "name", "prompt", "gets", "will_not", "files", "input_schema", "output_schema"}, at)
    for name in ("input_schema", "output_schema"):
        try:
            jsonschema.Draft202012Validator.check_schema(entry.get(name) or {})
        except jsonschema.SchemaError as error:
            raise BadCatalog(f"{at}.{name}: {error.message}") from error
    return TaskEntry(
        slug=slug(entry, at),
        name=text(entry, "name", at, longest=80),
        prompt=text(entry, "prompt", at, longest=4_000),
        gets=phrases(entry, "gets", at),
        will_not=phrases(entry, "will_not", at),
        files=bool(entry.get("files", False)),
        input_schema=entry.get("input_schema"),
        output_schema=entry.get("output_schema"),
    )


def only(entry: Any, known: set[str], at: str) -> None:
    if not isinstance(entry, dict):
        raise BadCatalog(f"{at}: must be a table")
    if unknown := set(entry) - known:
        raise BadCatalog(f"{at}: no setting is called {sorted(unknown)[0]!r}")


def text(entry: dict[str, Any], name: str, at: str, *, default: str | None = None, longest: int = 2_000) -> str:
    value = entry.get(name, default)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise BadCatalog(f"{at}.{name}: must be text of at most {longest} characters")
    return value


def phrases(entry: dict[str, Any], name: str, at: str) -> list[str]:
    value = entry.get(name, [])
    if not isinstance(value, list) or not all(isinstance(phrase, str) for phrase in value):
        raise BadCatalog(f"{at}.{name}: must be a list of short phrases")
    return value


def slug(entry: dict[str, Any], at: str) -> str:
    value = text(entry, "slug", at)
    if not SLUG.fullmatch(value):
        raise BadCatalog(f"{at}.slug: must be lower-case letters, digits and dashes")
    return value
