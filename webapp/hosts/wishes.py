"""What a host wishes for one visit: whom it is for, where it may open and report to, its features, words and look.

Wishes are checked when they are made; what nobody could read is refused.
"""

from __future__ import annotations

import re
from typing import Any

from ..deck.reading import is_harmless
from ..models import Endpoint, Host
from .facts import LONGEST_URL, allowed, origin_of
from .request_fields import BadRequest, a_dict, no_others, text

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
COLOUR = re.compile(r"#[0-9a-f]{6}")
WORDS = ("consent_note", "success_note")
"""Which texts may be added, and where: under the question for consent, and under the good news at the end."""
LONGEST_WORDS = 200
LONGEST_LABEL = 40
FEATURES = ("multi_source", "background", "notify_when_back")
"""What a visit can do beyond connecting one account; none of it unless it is wished."""
WIDEST_CORNER = 24

LIGHT_GROUNDS, DARK_GROUNDS = ("#f1f4f3", "#ffffff"), ("#161f1e", "#0d1413")
"""What the accent is read on: --ground and --surface of app.css."""
READABLE = 4.5
"""WCAG 2.2, 1.4.3."""


def read_wishes(body: dict[str, Any], host: Host) -> dict[str, Any]:
    """Only what was wished. `BadRequest` for the first mistake."""
    appearance, words = a_dict(body, "appearance"), a_dict(body, "text")
    no_others(appearance, ("accent", "radius"), "appearance")
    no_others(words, WORDS, "text")
    found = {
        "user_label": user_label(body),
        "origins": origins(body, host),
        "webhook_url": webhook_url(body, host),
        "features": features(body),
        "language": language(body),
        "accent": accent(appearance),
        "radius": radius(appearance),
        "words": {name: text(words, name, longest=LONGEST_WORDS, within="text.") for name in words},
    }
    return {name: wish for name, wish in found.items() if wish not in (None, "", {}, [])}


def user_label(body: dict[str, Any]) -> str:
    """By what the person knows their own account at the host: who is sent somebody else's link sees it in time."""
    label = text(body, "user_label", longest=LONGEST_LABEL)
    if body.get("user_label") is not None and not (label and is_harmless(label)):
        raise BadRequest("invalid_field", "Give one line of plain text, or leave it out.", param="user_label")
    return label


def origins(body: dict[str, Any], host: Host) -> list[str] | None:
    given = body.get("allowed_origins")
    if given is None:
        return None
    if not isinstance(given, list) or not given or not all(isinstance(origin, str) for origin in given):
        raise BadRequest("invalid_field", "Give a list of origins.", param="allowed_origins")
    for origin in given:
        if origin not in host.origins:
            raise BadRequest("invalid_field", f"{origin[:80]} is not registered for you.", param="allowed_origins")
    return given


def webhook_url(body: dict[str, Any], host: Host) -> str:
    """Where this visit is told of instead: at an origin of the host's, for its one secret signs there too."""
    wished = text(body, "webhook_url", longest=LONGEST_URL)
    if not wished:
        return ""
    endpoint = Endpoint.of(host.id)
    if endpoint is None:
        message = "Have your webhook set up first: its secret signs here, too."
        raise BadRequest("webhook_url_not_allowed", message, param="webhook_url")
    if not is_place_of(endpoint, wished):
        message = "It must lie at one of your origins, or where your webhook or a return_url does, letter for letter."
        raise BadRequest("webhook_url_not_allowed", message, param="webhook_url")
    return wished


def is_place_of(endpoint: Endpoint, url: str) -> bool:
    """Whether *url* lies where its host is, by what is registered now."""
    host = endpoint.host
    known = {*host.origins, *map(origin_of, [*host.return_urls, endpoint.url])}
    return origin_of(url) in known - {""} and allowed(url, is_test=host.is_test)


def features(body: dict[str, Any]) -> list[str]:
    given = a_dict(body, "features")
    no_others(given, FEATURES, "features")
    for name, wished in given.items():
        if not isinstance(wished, bool):
            raise BadRequest("invalid_field", "This is true or false.", param=f"features.{name}")
    if given.get("multi_source") and body.get("connection_id") is not None:
        message = "A session that repairs a connection makes no others."
        raise BadRequest("invalid_field", message, param="features.multi_source")
    return [name for name in FEATURES if given.get(name)]


def language(body: dict[str, Any]) -> str:
    wished = text(body, "language", longest=35)
    if wished and not LANGUAGE.fullmatch(wished):
        raise BadRequest("invalid_field", "Give a language such as fr or fr-CA.", param="language")
    return wished


def accent(appearance: dict[str, Any]) -> str:
    wished = text(appearance, "accent", within="appearance.").lower()
    if wished and not COLOUR.fullmatch(wished):
        raise BadRequest("invalid_field", "Give a colour such as #7a3413.", param="appearance.accent")
    if wished and not is_readable(wished, LIGHT_GROUNDS):
        message = f"Nobody could read {wished}: it needs a contrast of {READABLE} to white and to #f1f4f3."
        raise BadRequest("invalid_field", message, param="appearance.accent")
    return wished


def radius(appearance: dict[str, Any]) -> int | None:
    wished = appearance.get("radius")
    if wished is None:
        return None
    if isinstance(wished, bool) or not isinstance(wished, int) or not 0 <= wished <= WIDEST_CORNER:
        raise BadRequest("invalid_field", f"Give pixels from 0 to {WIDEST_CORNER}.", param="appearance.radius")
    return wished


# --- the look ----------------------------------------------------------------------------------------------------


def style_sheet(accent: str, radius: int | None) -> str:
    """Custom properties for app.css; the dark theme has the same accent, as light as it must be there."""
    light, dark = [], []
    if accent:
        light, dark = shades(accent, "#ffffff", "#000000"), shades(lightened(accent), "#000000", "#ffffff")
    corners = [] if radius is None else [f"--corner:{radius}px", f"--radius:{radius}px"]
    plain = f":root{{{';'.join(light + corners)}}}"
    at_night = f"@media (prefers-color-scheme:dark){{:root{{{';'.join(dark)}}}}}" if dark else ""
    return f"@layer tokens{{{plain}{at_night}}}"


def shades(accent: str, on_it: str, towards: str) -> list[str]:
    """The accent, a stronger and a softer one, and what is written on it."""
    soft = "color-mix(in srgb, var(--accent) 14%, var(--surface))"
    return [
        f"--accent:{accent}",
        f"--accent-strong:{mixed(accent, towards, 0.25)}",
        f"--accent-soft:{soft}",
        f"--on-accent:{on_it}",
    ]


def lightened(accent: str) -> str:
    steps = (mixed(accent, "#ffffff", share / 20) for share in range(20))
    return next((colour for colour in steps if is_readable(colour, DARK_GROUNDS)), "#ffffff")


def is_readable(colour: str, grounds: tuple[str, ...]) -> bool:
    return all(contrast(colour, ground) >= READABLE for ground in grounds)


def contrast(one: str, other: str) -> float:
    """By WCAG's formula: from 1, the same, to 21, black on white."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (p / 255 for p in parts(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def mixed(one: str, other: str, share: float) -> str:
    both = zip(parts(one), parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in both)


def parts(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
