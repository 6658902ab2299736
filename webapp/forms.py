"""What people type, and what is wrong with it. Secrets pass through and are never put back into a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from werkzeug.datastructures import MultiDict

from .deck.reading import clean_text
from .models import Prompt, Source
from .models.person import same_email

LONGEST_SECRET = 1_024
LONGEST_EMAIL = 254
LARGEST = 2**63
SHORTEST_PASSWORD = 12
EMAIL = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]+\.[^\s@\x00-\x1f]{2,}")
TRUE = "yes"


class Secret(str):
    """A password, code or answer: printing, formatting or logging it shows nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    def __format__(self, spec: str) -> str:
        return "<secret>"

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not kept")

    def __str__(self) -> str:
        return "<secret>"


def reveal(secret: Secret) -> str:
    """The text inside a secret."""
    return "".join(secret)


@dataclass
class SignUp:
    """A new account with us."""

    email: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: MultiDict[str, str]) -> SignUp:
        got = cls(clean_text(form.get("email"), longest=1_000), Secret(form.get("password", "")))
        if not EMAIL.fullmatch(got.email) or len(same_email(got.email)) > LONGEST_EMAIL:
            got.errors["email"] = "Enter an email address, such as name@example.com."
        if len(got.password) < SHORTEST_PASSWORD:
            got.errors["password"] = f"Use at least {SHORTEST_PASSWORD} characters. A few words in a row are good."
        elif len(reveal(got.password).encode("utf-8", "replace")) > LONGEST_SECRET:
            got.errors["password"] = f"Use at most {LONGEST_SECRET} characters."
        return got


@dataclass
class SourceSignIn:
    """How somebody signs in at a source. Kept exactly as typed: spaces may be part of a password."""

    username: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    extra: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: MultiDict[str, str], source: Source) -> SourceSignIn:
        got = cls(form.get("username", ""), Secret(form.get("password", "")))
        if not got.username.strip():
            got.errors["username"] = f"Enter your {lower_first(source.username_label)}."
        if not got.password:
            got.errors["password"] = f"Enter your {lower_first(source.password_label)}."
        for name, value in (("username", got.username), ("password", reveal(got.password))):
            if len(value) > LONGEST_SECRET or not is_text(value):
                got.errors[name] = "This is too long, or has characters no keyboard makes."
        for wanted in source.fields:
            value = form.get(f"x_{wanted['name']}", "").strip()
            got.extra[wanted["name"]] = value
            if not value or len(value) > 200 or not is_text(value):
                got.errors[f"x_{wanted['name']}"] = f"Enter your {lower_first(wanted['label'])}."
        return got


@dataclass
class Answers:
    """Answers to one prompt, under the names Deck gave its fields."""

    values: dict[str, Secret] = field(default_factory=dict, repr=False)
    errors: dict[str, str] = field(default_factory=dict)
    """By our own input names, f0 to fn."""

    @classmethod
    def read(cls, form: MultiDict[str, str], prompt: Prompt) -> Answers:
        got = cls()
        for name, asked in prompt.inputs:
            typed = form.get(name, "")
            if prompt.type == "mfa":
                typed = tidy_code(typed)
            offered = {option["value"] for option in asked["options"]}
            if not typed.strip():
                got.errors[name] = "Choose one." if offered else f"Fill in “{asked['label']}”."
            elif offered and typed not in offered:
                got.errors[name] = "Choose one of these."
            elif len(typed) > LONGEST_SECRET or not is_text(typed):
                got.errors[name] = "This is too long, or has characters no keyboard makes."
            got.values[asked["name"]] = Secret(typed)
        return got

    def plain(self) -> dict[str, str]:
        """For the one call they are meant for."""
        return {name: reveal(value) for name, value in self.values.items()}


@dataclass
class TaskInput:
    """What a task needs to know before it runs, by its input schema."""

    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: MultiDict[str, str], schema: dict[str, Any]) -> TaskInput:
        got = cls()
        for name, part in schema.get("properties", {}).items():
            typed = clean_text(form.get(name))
            value = from_text(typed, part)
            if value is not None:
                got.values[name] = value
            elif typed:
                got.errors[name] = "Enter a number."
        for problem in jsonschema.Draft202012Validator(schema).iter_errors(got.values):
            missing = problem.validator == "required"
            name = problem.message.split("'")[1] if missing else str(next(iter(problem.absolute_path), ""))
            got.errors.setdefault(name, "Fill this in." if missing else "This does not fit. Check it again.")
        return got


def from_text(typed: str, part: dict[str, Any]) -> Any:
    """A form's text as the JSON value the schema wants; None when there is none."""
    kind = part.get("type")
    if kind == "boolean":
        return typed == TRUE
    if not typed:
        return None
    if kind in ("integer", "number"):
        try:
            number = int(typed) if kind == "integer" else float(typed.replace(",", "."))
        except ValueError:
            return None
        return number if abs(number) < LARGEST else None  # neither NaN nor infinite
    return typed


def tidy_code(typed: str) -> str:
    """A numeric code without the spaces and dashes people copy along; anything else as typed."""
    bare = re.sub(r"[\s\-\u2010-\u2015]", "", typed)
    return bare if bare.isascii() and bare.isdigit() else typed.strip()


def is_text(value: str) -> bool:
    """Whether it can be sent at all: no lone surrogates, no NUL."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def lower_first(words: str) -> str:
    """A label in the middle of a sentence: "Access card" changes, "PIN" does not."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]
