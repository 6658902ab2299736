"""What an app's calls to Deck go over."""

from __future__ import annotations

import dataclasses

import httpx
from flask import Flask

from webapp.current import Parts
from webapp.deck import DeckClient


def wire(app: Flask, transport: httpx.BaseTransport) -> None:
    """Give the app's Deck client another wire. The fake stands where the network would."""
    parts: Parts = app.extensions["gangway"]
    config = parts.config
    client = DeckClient(api_key=config.deck_api_key, base_url=config.deck_base_url, transport=transport)
    app.extensions["gangway"] = dataclasses.replace(parts, deck=client)
