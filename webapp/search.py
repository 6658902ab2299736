"""Finding a source the way people look for one: a name half remembered, an accent left out, an address pasted."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

from rapidfuzz import fuzz

from .models import Source

CLOSE_ENOUGH = 74
"""Of 100; lower lets unrelated names in, higher forgives no typo."""


def find_sources(query: str, sources: Sequence[Source]) -> list[Source]:
    """The sources *query* may mean, best first; all of them, as they come, when there is no query."""
    wanted = plain(query)
    if not wanted:
        return list(sources)
    host = pasted_host(query)
    scored = [(score(wanted, host, source), source) for source in sources]
    return [source for points, source in sorted(scored, key=lambda s: -s[0]) if points >= CLOSE_ENOUGH]


def score(wanted: str, host: str, source: Source) -> float:
    """How well a source fits, 0 to 100."""
    if host:
        return 100 if host == source.host or host.endswith("." + source.host) else 0
    best = 0.0
    for name in map(plain, source.names):
        if name.startswith(wanted) or any(word.startswith(wanted) for word in name.split()):
            return 100
        best = max(best, 95 if wanted in name else 0, fuzz.ratio(wanted, name), initials(wanted, name))
        best = max([best, *(fuzz.ratio(wanted, word) for word in name.split())])
        best = max(best, 0.95 * fuzz.token_sort_ratio(wanted, name))
    return best


def initials(wanted: str, name: str) -> float:
    """ "hcu" for "Harbour Credit Union"."""
    return 90 if len(wanted) > 1 and wanted == "".join(word[0] for word in name.split()) else 0


def pasted_host(query: str) -> str:
    """The host of a pasted address, with or without https://; "" when it is not one."""
    text = query.strip().lower()
    if " " in text or "." not in text:
        return ""
    try:
        host = urlsplit(text if "://" in text else f"https://{text}").hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.").rstrip(".") if "." in host else ""


def plain(text: str) -> str:
    """Lower case, no accents, no punctuation, single spaces."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())
