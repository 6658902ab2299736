"""Makes the Deck account match the catalog: what is missing is created, what differs is repaired."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable

from sqlalchemy import select, update

from .catalog import Catalog, SourceEntry, TaskEntry
from .current import config, deck
from .db import db, writing
from .deck.objects import Named
from .deck.objects import Task as DeckTask
from .models import Chore, Source, Task

CREDENTIAL_EVENTS = "unverified verified invalid deleted"
RUN_EVENTS = "queued running interaction_required review_required completed failed canceling canceled"
WANTED_EVENTS = [
    *(f"credential.{what}" for what in CREDENTIAL_EVENTS.split()),
    *(f"task_run.{what}" for what in RUN_EVENTS.split()),
]
"""The events we act on; the others would only cost deliveries."""

DESTINATION = "Gangway"
DESTINATION_CHORE = "destination"

Say = Callable[[str], None]


def sync(catalog: Catalog, say: Say) -> None:
    """Apply *catalog* and the webhook destination to the Deck account, telling *say* each step. Raises `DeckError`."""
    agent_id = sync_agent(catalog.agent, say)
    sync_sources(catalog.sources, say)
    sync_tasks(catalog.tasks, agent_id, say)
    sync_destination(say)


def sync_agent(name: str, say: Say) -> str:
    for agent in deck().agents():
        if agent.name == name:
            return agent.id
    say(f"creating agent {name}")
    return deck().create_agent(name=name, key=key("agent", name)).id


def sync_sources(entries: list[SourceEntry], say: Say) -> None:
    known = list(deck().sources())
    for entry in entries:
        mine = db.session.scalar(select(Source.deck_id).filter_by(slug=entry.slug))
        found = same_source(entry, mine, known)
        if found is None:
            say(f"creating source {entry.name}")
            found = deck().create_source(name=entry.name, url=entry.url, key=key("source", entry.name, entry.url))
        elif (found.name, found.url) != (entry.name, entry.url):
            say(f"updating source {entry.name}")
            change = key("source", found.id, entry.name, entry.url, found.name, found.url)
            deck().update_source(found.id, name=entry.name, url=entry.url, key=change)
        with writing():
            row = db.session.scalar(select(Source).filter_by(slug=entry.slug)) or Source(slug=entry.slug)
            row.name, row.url, row.popularity = entry.name, entry.url, entry.popularity
            row.words, row.offered, row.deck_id = entry.words, True, found.id
            db.session.add(row)
    with writing():
        gone = Source.slug.not_in([entry.slug for entry in entries])
        db.session.execute(update(Source).where(gone).values(offered=False))


def same_source(entry: SourceEntry, deck_id: str | None, known: list[Named]) -> Named | None:
    """The one we mirrored before, or else one with the same address."""
    by_id = next((source for source in known if source.id == deck_id), None)
    return by_id or next((source for source in known if source.url.rstrip("/") == entry.url.rstrip("/")), None)


def sync_tasks(entries: list[TaskEntry], agent_id: str, say: Say) -> None:
    known = [task for task in deck().tasks() if task.agent_id == agent_id]
    for position, entry in enumerate(entries):
        mine = db.session.scalar(select(Task.deck_id).filter_by(slug=entry.slug))
        found = next((task for task in known if task.id == mine), None)
        found = found or next((task for task in known if task.name == entry.name), None)
        wanted = entry.at_deck(agent_id)
        if found is None:
            say(f"creating task {entry.name}")
            found = deck().create_task(wanted, key=key("task", agent_id, wanted))
        elif differs(found, wanted):  # a change may put the task back to learning, so not without need
            say(f"updating task {entry.name}")
            fields = {name: value for name, value in wanted.items() if name != "agent_id"}
            deck().update_task(found.id, fields, key=key("task", found.id, wanted, found.prompt, found.output_schema))
        with writing():
            row = db.session.scalar(select(Task).filter_by(slug=entry.slug)) or Task(slug=entry.slug)
            row.name, row.position, row.offered, row.deck_id = entry.name, position, True, found.id
            row.gets, row.will_not = entry.gets, entry.will_not
            row.input_schema, row.output_schema = entry.input_schema, entry.output_schema
            db.session.add(row)
    with writing():
        gone = Task.slug.not_in([entry.slug for entry in entries])
        db.session.execute(update(Task).where(gone).values(offered=False))


def differs(found: DeckTask, wanted: dict[str, object]) -> bool:
    names = ("name", "prompt", "input_schema", "output_schema")
    has_files = bool(isinstance(found.storage, dict) and found.storage.get("enabled"))
    return has_files != bool(wanted["storage"]) or any(getattr(found, name) != wanted[name] for name in names)


def sync_destination(say: Say, *, even_if_fine: bool = True) -> None:
    """Our webhook, with the first of our own secrets; one that was switched off is switched on again."""
    url, secret = config().webhook_url, config().deck_webhook_secrets[0]
    found = next((d for d in deck().destinations() if d.url == url), None)
    if found is None:
        say(f"creating the event destination {url}")
        deck().create_destination(
            name=DESTINATION, url=url, secret=secret, events=WANTED_EVENTS, key=creation_key(url, secret)
        )
        is_there()
        return
    is_there()
    if found.status != "active":
        say("the event destination was switched off: switching it on again")
    elif not even_if_fine:
        return
    # Its time is part of the key: switched off a second time, it must be switched on a second time.
    change = key("destination", found.id, found.status, found.updated_at, secret)
    deck().update_destination(found.id, url=url, secret=secret, events=WANTED_EVENTS, key=change)


def creation_key(*what: object) -> str:
    """Written down before the call: a creation that died is repeated with its key. See `is_there`."""
    with writing():
        chore = Chore.named(DESTINATION_CHORE)
        once = chore.state.get("creating") or secrets.token_urlsafe(12)
        chore.state = {"creating": once}
    return key("destination", *what, once)


def is_there() -> None:
    """The destination is there: should it be deleted, the next one has a key of its own. Deck knows keys for a day."""
    chore = db.session.get(Chore, DESTINATION_CHORE)
    if chore is not None and chore.state:
        with writing():
            chore.state = {}
    db.session.rollback()  # hold no transaction while Deck thinks


def key(*what: object) -> str:
    """The same key for the same change, so that a sync that died can be run again."""
    digest = hashlib.sha256(json.dumps([config().public_url, *map(str, what)]).encode()).hexdigest()
    return f"gangway-sync-{digest[:40]}"
