"""Deck v2, seen from outside: HTTP and Deck's nouns, no Flask and no rows."""

from .client import DeckClient, holding_what_was_typed
from .errors import DeckBusy, DeckDown, DeckError, DeckRefused, DeckUnreadable, HeldBack, NotFound
from .objects import Credential, Destination, Event, Interaction, RunError, StorageItem, TaskRun
from .webhooks import BadSignature, Signatures

__all__ = [
    "BadSignature",
    "Credential",
    "DeckBusy",
    "DeckClient",
    "DeckDown",
    "DeckError",
    "DeckRefused",
    "DeckUnreadable",
    "Destination",
    "Event",
    "HeldBack",
    "Interaction",
    "NotFound",
    "RunError",
    "Signatures",
    "StorageItem",
    "TaskRun",
    "holding_what_was_typed",
]
