"""Deck's objects: frozen, and only the fields we read. Every documented vintage of the API is understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .errors import DeckUnreadable
from .reading import clean_json, clean_text, is_harmless, one_line

Json = Mapping[str, Any]

OLD_SPELLINGS = {"canceling": "cancelling", "pending": "review_required"}
"""Status words that changed between vintages, and the one we use."""

MAX_FIELDS = 20
MAX_OPTIONS = 100


@dataclass(frozen=True)
class Named:
    """An agent, source or task: what we created once and look up by name. https://docs.deck.co/api-reference"""

    id: str
    name: str
    url: str = ""

    @classmethod
    def from_json(cls, json: Json) -> Named:
        website = json.get("website")
        url = website.get("url") if isinstance(website, Mapping) else ""
        return cls(_id(json), one_line(json.get("name")), one_line(url, longest=2_000))


@dataclass(frozen=True)
class Task:
    """https://docs.deck.co/concepts/tasks"""

    id: str
    name: str
    agent_id: str
    prompt: str
    input_schema: Any
    output_schema: Any
    storage: Any

    @classmethod
    def from_json(cls, json: Json) -> Task:
        return cls(
            id=_id(json),
            name=one_line(json.get("name")),
            agent_id=one_line(json.get("agent_id"), longest=255),
            prompt=prompt if isinstance(prompt := json.get("prompt"), str) else "",
            input_schema=json.get("input_schema"),
            output_schema=json.get("output_schema"),
            storage=json.get("storage"),
        )


@dataclass(frozen=True)
class Credential:
    """https://docs.deck.co/concepts/credentials — the username reads back, the password never does."""

    id: str
    status: str
    external_id: str
    source_id: str
    username: str

    @classmethod
    def from_json(cls, json: Json) -> Credential:
        secret = json.get("auth_credentials")
        username = secret.get("username") if isinstance(secret, Mapping) else ""
        return cls(
            id=_id(json),
            status=one_line(json.get("status"), longest=20),
            external_id=one_line(json.get("external_id"), longest=255),
            source_id=one_line(json.get("source_id"), longest=255),
            username=one_line(username, longest=500),
        )


@dataclass(frozen=True)
class Option:
    """One choice of a field that offers choices."""

    value: str
    label: str


@dataclass(frozen=True)
class Field:
    """One thing an interaction asks for."""

    name: str
    type: str
    label: str
    options: tuple[Option, ...] = ()

    @classmethod
    def from_json(cls, json: Json) -> Field:
        # How choices arrive is not documented; these three are how such APIs usually say it.
        given = json.get("options") or json.get("choices") or json.get("enum") or []
        choices = given if isinstance(given, list) else []
        return cls(
            # The name goes back to Deck as it came: it is a key, never markup.
            name=json["name"] if isinstance(json.get("name"), str) else "",
            type=one_line(json.get("type")),
            label=one_line(json.get("label")) or one_line(json.get("name")),
            options=tuple(o for o in map(_option, choices[:MAX_OPTIONS]) if is_harmless(o.value)),
        )


@dataclass(frozen=True)
class Interaction:
    """What a site asks in the middle of a run. https://docs.deck.co/guides/interactions"""

    type: str
    message: str
    fields: tuple[Field, ...]

    @classmethod
    def from_json(cls, json: Json) -> Interaction:
        fields = json.get("fields")
        given = fields if isinstance(fields, list) else []
        return cls(
            type=one_line(json.get("type")),
            message=clean_text(json.get("message")),
            fields=tuple(Field.from_json(f) for f in given[:MAX_FIELDS] if isinstance(f, Mapping)),
        )


@dataclass(frozen=True)
class RunError:
    """Why a run failed. Branch on `type` and `code`; the message is for people who debug."""

    type: str
    code: str
    message: str


@dataclass(frozen=True)
class StorageItem:
    """A file a run brought. `url` is signed and expires: it is followed at once and never kept."""

    id: str
    name: str
    type: str
    size: int
    url: str = ""

    @classmethod
    def from_json(cls, json: Json) -> StorageItem:
        size = json.get("file_size")
        return cls(
            id=_id(json),
            name=one_line(json.get("file_name")) or "file",
            type=one_line(json.get("file_type")),
            size=size if isinstance(size, int) and size >= 0 else 0,
            url=one_line(json.get("url"), longest=4_000),
        )


@dataclass(frozen=True)
class TaskRun:
    """https://docs.deck.co/concepts/task-runs"""

    id: str
    status: str
    result: str
    as_of: datetime
    """Deck's `updated_at`: the moment all this was true."""
    output: Any
    errors: tuple[RunError, ...]
    interaction: Interaction | None
    storage: tuple[StorageItem, ...]

    @classmethod
    def from_json(cls, json: Json) -> TaskRun:
        status = one_line(json.get("status"), longest=40)
        interaction, errors, storage = json.get("interaction"), json.get("errors"), json.get("storage")
        return cls(
            id=_id(json),
            status=OLD_SPELLINGS.get(status, status),
            result=one_line(json.get("result"), longest=20),
            as_of=parse_moment(json.get("updated_at") or json.get("created_at")),
            output=clean_json(json.get("output")),
            errors=tuple(
                RunError(one_line(e.get("type")), one_line(e.get("code")), clean_text(e.get("message")))
                for e in (errors if isinstance(errors, list) else [])
                if isinstance(e, Mapping)
            ),
            interaction=Interaction.from_json(interaction) if isinstance(interaction, Mapping) else None,
            storage=tuple(
                StorageItem.from_json(item)
                for item in (storage if isinstance(storage, list) else [])
                if isinstance(item, Mapping)
            ),
        )


@dataclass(frozen=True)
class Event:
    """Something that happened at Deck. https://docs.deck.co/events/events"""

    id: str
    type: str
    subject: str
    """The id of the object it is about."""
    status: str
    as_of: datetime | None
    """The object's own `updated_at`, if the event tells: the only time that compares with a GET's."""
    created_at: datetime

    @classmethod
    def from_json(cls, json: Json) -> Event:
        data = json.get("data")
        about: Json = data if isinstance(data, Mapping) else {}
        status = one_line(about.get("status"), longest=40)
        return cls(
            id=_id(json),
            type=one_line(json.get("type")),
            subject=one_line(about.get("id"), longest=255),
            status=OLD_SPELLINGS.get(status, status),
            as_of=parse_moment(about["updated_at"]) if about.get("updated_at") else None,
            created_at=parse_moment(json.get("created_at")),
        )


@dataclass(frozen=True)
class Destination:
    """Where Deck sends events. https://docs.deck.co/events/events"""

    id: str
    name: str
    status: str
    url: str
    updated_at: str
    events: tuple[str, ...]

    @classmethod
    def from_json(cls, json: Json) -> Destination:
        configs = [json.get(key) for key in ("webhook", "type_config", "config")]
        url = next((c["url"] for c in configs if isinstance(c, Mapping) and c.get("url")), "")
        events = json.get("events")
        return cls(
            id=_id(json),
            name=one_line(json.get("name")),
            status=one_line(json.get("status")),
            url=one_line(url, longest=2_000),
            updated_at=one_line(json.get("updated_at")),
            events=tuple(one_line(event) for event in events) if isinstance(events, list) else (),
        )


def parse_moment(value: object) -> datetime:
    """Deck's ISO-8601 with 0 to 7 fractional digits, UTC unless it says otherwise; else `DeckUnreadable`."""
    try:
        parsed = datetime.fromisoformat(value if isinstance(value, str) else "")
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise DeckUnreadable("Deck gave a time that is none") from error


def _option(choice: object) -> Option:
    if isinstance(choice, Mapping):
        value = choice.get("value", choice.get("id", choice.get("label")))
        return Option(str(value), one_line(choice.get("label") or choice.get("name") or value))
    return Option(str(choice), one_line(choice))


def _id(json: Json) -> str:
    """Deck's ids are opaque text of at most 255 characters (docs.deck.co/api/api-status-and-changes)."""
    found = json.get("id")
    if not isinstance(found, str) or not 0 < len(found) <= 255 or not found.isascii() or not found.isprintable():
        raise DeckUnreadable("Deck gave an object without a usable id")
    return found
