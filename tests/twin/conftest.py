"""A fresh twin for every test, and short names for those who deal with it."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import HOOK, Control, Deck, Receiver, Twin


@pytest.fixture(scope="session")
def shared_twin() -> Twin:
    return Twin()


@pytest.fixture
def twin(shared_twin: Twin) -> Twin:
    shared_twin.start_over()
    return shared_twin


@pytest.fixture
def deck(twin: Twin) -> Deck:
    return twin.deck


@pytest.fixture
def control(twin: Twin) -> Control:
    return twin.control


@pytest.fixture
def receiver(twin: Twin) -> Receiver:
    return twin.receiver


@pytest.fixture
def hook(deck: Deck, control: Control, receiver: Receiver) -> Any:
    """A destination for every event, whose receiver knows its secret and has seen its activation."""
    destination = deck.destination()
    receiver.secrets[HOOK] = destination["webhook"]["secret"]
    control.advance()
    assert receiver.types() == ["event_destination.activated"]
    receiver.got.clear()
    receiver.posts.clear()
    return destination


@pytest.fixture
def agents_hook(deck: Deck, control: Control, receiver: Receiver) -> Any:
    """A destination for agents' events; what it gets is looked at in `receiver.posts`."""
    return deck.destination(events=["agent.created", "agent.updated"])
