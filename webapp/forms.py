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
from .passwords import problem_with

LONGEST_SECRET = 1_024
LONGEST_EMAIL = 254
LARGEST = 2**63
DIGITS_WANTED = re.compile(r"\b(\d{1,2})-digit\b", re.IGNORECASE)
EMAIL = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]+\.[^\s@\x00-\x1f]{2,}")
YES_OR_NO = {"yes": True, "no": False}


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
        if len(same_email(got.email)) > LONGEST_EMAIL or not EMAIL.fullmatch(got.email):
            got.errors["email"] = "Enter an email address, such as name@example.com."
        if problem := problem_with(reveal(got.password), got.email):
            got.errors["password"] = problem
        return got


@dataclass
class SourceSignIn:
    """How somebody signs in at a source. The password is kept exactly as typed: spaces may be part of it."""

    username: str = field(default="", repr=False)
    password: Secret = field(default=Secret(""), repr=False)
    extra: dict[str, str] = field(default_factory=dict, repr=False)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: MultiDict[str, str], source: Source) -> SourceSignIn:
        got = cls(tidy_username(form.get("username", ""), source), Secret(form.get("password", "")))
        if not got.username:
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
                words = "Fill in your answer." if prompt.asks_by_message else f"Fill in “{asked['label']}”."
                got.errors[name] = "Choose one." if offered else words
            elif offered and typed not in offered:
                got.errors[name] = "Choose one of these."
            elif len(typed) > LONGEST_SECRET or not is_text(typed):
                got.errors[name] = "This is too long, or has characters no keyboard makes."
            elif prompt.type == "mfa" and (wrong := wrong_length(typed, asked["label"])):
                got.errors[name] = wrong
            got.values[asked["name"]] = Secret(typed)
        return got

    def plain(self) -> dict[str, str]:
        """For the one call they are meant for."""
        return {name: reveal(value) for name, value in self.values.items()}


@dataclass
class TaskInput:
    """What a task needs to know before it runs, by its input schema."""

    typed: dict[str, str] = field(default_factory=dict)
    """What stands in the form."""
    values: dict[str, Any] = field(default_factory=dict)
    """What that means."""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def blank(cls, schema: dict[str, Any], **known: str) -> TaskInput:
        """The form before anybody typed: the schema's defaults, and what is known already."""
        asked = schema.get("properties", {})
        defaults = {name: to_text(part["default"]) for name, part in asked.items() if "default" in part}
        return cls({**defaults, **{name: text for name, text in known.items() if name in asked}})

    @classmethod
    def read(cls, form: MultiDict[str, str], schema: dict[str, Any]) -> TaskInput:
        got = cls()
        for name, part in schema.get("properties", {}).items():
            typed = got.typed[name] = clean_text(form.get(name))
            value = from_text(typed, part)
            if value is not None:
                got.values[name] = value
            elif typed:
                got.errors[name] = "Choose one of these." if part.get("type") == "boolean" else "Enter a number."
        for name in schema.get("required", []):
            if name not in got.values:
                got.errors.setdefault(name, "Fill this in.")
        for problem in jsonschema.Draft202012Validator(schema).iter_errors(got.values):
            if problem.validator != "required":
                name = str(next(iter(problem.absolute_path), ""))
                got.errors.setdefault(name, "This does not fit. Check it again.")
        return got


def from_text(typed: str, part: dict[str, Any]) -> Any:
    """A form's text as the JSON value the schema wants; None when there is none."""
    kind = part.get("type")
    if not typed:
        return None
    if kind == "boolean":
        return YES_OR_NO.get(typed)
    if kind in ("integer", "number"):
        try:
            number = int(typed) if kind == "integer" else float(typed.replace(",", "."))
        except ValueError:
            return None
        return number if abs(number) < LARGEST else None  # neither NaN nor infinite
    return typed


def to_text(value: Any) -> str:
    """A JSON value as it stands in a form."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def tidy_code(typed: str) -> str:
    """A numeric code without the spaces and dashes people copy along; anything else as typed."""
    bare = re.sub(r"[\s\-\u2010-\u2015]", "", typed)
    return bare if bare.isascii() and bare.isdigit() else typed.strip()


def wrong_length(typed: str, label: str) -> str:
    """What is wrong with a code whose label says how many digits it has; "" when nothing is, or nobody knows."""
    wanted = DIGITS_WANTED.search(label)
    if wanted is None or not typed.isdigit() or len(typed) == int(wanted[1]):
        return ""
    return f"This code has {int(wanted[1])} digits; you typed {len(typed)}."


def tidy_username(typed: str, source: Source) -> str:
    """Without the spaces around it, and without those inside where the catalog says that the site has none."""
    return "".join(typed.split()) if source.words.get("username_without_spaces") else typed.strip()


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
