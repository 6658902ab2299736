"""A company whose people connect accounts, somebody it sends, and its webhook receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.companies import RETURN, Company, Receiver, Server, founded, listens, receiving
from tests.people import Visitor


@pytest.fixture
def company(app: Flask) -> Company:
    """Companies that have pages to send people back to."""
    return lambda name="Tidepool Savings", **more: founded(app, name, **{"return_urls": [RETURN], **more})


@pytest.fixture
def tidepool(app: Flask) -> Server:
    return founded(app)


@pytest.fixture
def kim(app: Flask) -> Visitor:
    """Somebody with a browser and no account here."""
    return Visitor(app)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def secret(app: Flask, tidepool: Server, receiver: Receiver) -> str:
    """Of the company's webhook, which is set up."""
    return listens(app, receiver.url)
