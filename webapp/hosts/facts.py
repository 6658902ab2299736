"""What makes a host: checked the same for the command line and for the dashboard."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..models import Host, Source

ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")
TEST_ORIGIN = re.compile(r"http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")
IN_PATH = r"[\w.~!$&'()*+,;=:@%/-]"
PLAIN_URL = re.compile(rf"(?P<origin>https?://[a-z0-9.-]+(:[0-9]{{1,5}})?)(/{IN_PATH}*)?(\?({IN_PATH}|\?)*)?", re.ASCII)
"""Addresses every program reads in the same way: nothing before the name, no bracket, no backslash, no fragment."""
LONGEST_NAME = 40
LONGEST_URL = 2_000


class BadHost(ValueError):
    """It cannot be a host: `name` says which fact is wrong, the text why."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


def new_host(
    name: str, *, origins: Sequence[str], return_urls: Sequence[str], sources: Sequence[str], is_test: bool
) -> Host:
    """A host that is not in the database yet. `BadHost` for the first mistake."""
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadHost("name", f"at most {LONGEST_NAME} printable characters")
    for origin in origins:
        if not (ORIGIN.fullmatch(origin) or (is_test and TEST_ORIGIN.fullmatch(origin))):
            raise BadHost("origins", f"{origin} is no origin such as https://shop.example")
    for url in return_urls:
        if not allowed(url, is_test=is_test):
            raise BadHost("return_urls", f"{url} is no https address")
    for slug in sources:
        if Source.by_slug(slug) is None:
            raise BadHost("sources", f"there is no source {slug}")
    return Host(
        name=name, is_test=is_test, origins=list(origins), return_urls=list(return_urls), sources=list(sources) or None
    )


def origin_of(url: str) -> str:
    """The origin of a plain address; "" for any other."""
    found = PLAIN_URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    return found["origin"] if found else ""


def allowed(url: str, *, is_test: bool) -> bool:
    return url.startswith("https://") or (is_test and url.startswith(("http://localhost:", "http://127.0.0.1:")))
