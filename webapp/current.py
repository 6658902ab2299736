"""Typed reach for what the running app is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from .budget import Budget
from .bus import Bus
from .config import Config
from .deck import DeckClient, Signatures
from .limits import Limits
from .streams import Streams
from .vault import Vault


@dataclass(frozen=True, repr=False)
class Parts:
    """Everything `create_app` puts together once."""

    config: Config
    deck: DeckClient
    signatures: Signatures
    bus: Bus
    vault: Vault
    limits: Limits
    budget: Budget
    streams: Streams


def parts() -> Parts:
    return cast(Parts, current_app.extensions["gangway"])


def config() -> Config:
    return parts().config


def deck() -> DeckClient:
    return parts().deck


def bus() -> Bus:
    return parts().bus


def vault() -> Vault:
    return parts().vault


def limits() -> Limits:
    return parts().limits


def streams() -> Streams:
    return parts().streams
