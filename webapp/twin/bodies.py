"""Reading what callers send to the vendor plane, the way Deck complains about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema

from .errors import ValidationProblem
from .objects import Object
from .synth import resolved

SOURCE_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
MISSING: Any = object()


class Body:
    """A JSON request body. Complaints pile up and come out together as one RFC-9110-style 400."""

    def __init__(self, raw: bytes, *, required: bool = True) -> None:
        self.errors: dict[str, list[str]] = {}
        try:
            parsed = json.loads(raw) if raw.strip() or required else {}
            # NaN and lone surrogates get past Python's parser but could never be written back as JSON.
            json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise ValidationProblem({"$": ["The body is not valid JSON."]}) from None
        if not isinstance(parsed, dict):
            raise ValidationProblem({"$": ["The body must be a JSON object."]})
        self.given: Object = parsed

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def complain(self, path: str, text: str) -> None:
        self.errors.setdefault(path, []).append(text)

    def check(self) -> None:
        """Raise `ValidationProblem` if anything was wrong so far."""
        if self.errors:
            raise ValidationProblem(self.errors)

    def text(
        self, name: str, *, required: bool = False, longest: int = 10_000, default: str | None = None
    ) -> str | None:
        value = self.given.get(name)
        if value is None or (required and value == ""):
            if required:
                self.complain(name, f"The {name} field is required.")
            return default
        if not isinstance(value, str):
            self.complain(name, "must be a string")
            return default
        if len(value) > longest:
            self.complain(name, f"must be at most {longest} characters")
        return value

    def choice(self, name: str, options: tuple[str, ...], *, default: str | None = None) -> str | None:
        value = self.text(name, default=default)
        if value is not None and value not in options:
            self.complain(name, f"must be one of: {', '.join(options)}")
        return value

    def flag(self, name: str) -> bool:
        value = self.given.get(name)
        if value not in (None, True, False):
            self.complain(name, "must be a boolean")
        return value is True

    def object(self, name: str, *, required: bool = False) -> Object | None:
        value = self.given.get(name)
        if value is None:
            if required:
                self.complain(name, f"The {name} field is required.")
            return None
        if not isinstance(value, dict):
            self.complain(name, "must be an object")
            return None
        return value

    def schema(self, name: str) -> Object | None:
        """A JSON Schema of an object, or None. Its references lead to places in itself."""
        value = self.object(name)
        if value is not None and (problem := schema_problem(value)):
            self.complain(name, problem)
        return value

    def storage(self, name: str) -> Object | None:
        """What a task wants done with the files of its runs."""
        value = self.object(name)
        if value is None:
            return None
        for flag in ("enabled", "extraction", "deduplication"):
            if value.get(flag) not in (None, True, False):
                self.complain(f"{name}.{flag}", "must be a boolean")
        if not isinstance(value.get("extraction_prompt"), str | None):
            self.complain(f"{name}.extraction_prompt", "must be a string")
        for schema in ("extraction_schema", "deduplication_schema"):
            if value.get(schema) is not None and (problem := schema_problem(value[schema])):
                self.complain(f"{name}.{schema}", problem)
        if value.get("extraction") is True and value.get("extraction_schema") is None:
            self.complain(f"{name}.extraction_schema", "The extraction_schema field is required.")
        return value

    def secret(self, *, method: str | None, required: bool) -> Object | None:
        """`auth_credentials`: username, password and at most ten `source_fields`."""
        given = self.object("auth_credentials", required=required and method == "username_password")
        if given is None:
            return None
        for name in ("username", "password"):
            value = given.get(name, MISSING)
            missing = value in (MISSING, None, "")
            if required and method == "username_password" and missing:
                self.complain(f"auth_credentials.{name}", f"The {name} field is required.")
            elif value is not MISSING and not isinstance(value, str):
                self.complain(f"auth_credentials.{name}", "must be a string")
        fields = given.get("source_fields")
        if fields is not None and (not isinstance(fields, dict) or len(fields) > 10):
            self.complain("auth_credentials.source_fields", "must be an object of at most 10 entries")
        elif fields:
            for key, value in fields.items():
                if not SOURCE_FIELD.fullmatch(key) or key in ("username", "password"):
                    self.complain(f"auth_credentials.source_fields.{key}", "is not an allowed name")
                elif not isinstance(value, str):
                    self.complain(f"auth_credentials.source_fields.{key}", "must be a string")
        return given


def schema_problem(value: Any) -> str:
    """What is wrong with *value* as a JSON Schema; "" for a good one."""
    if not isinstance(value, dict):
        return "must be an object"
    try:
        jsonschema.Draft202012Validator.check_schema(value)
    except jsonschema.SchemaError as error:
        return f"is not a JSON Schema: {error.message}"
    lost = [ref for ref in references(value) if resolved({"$ref": ref}, value) is None]
    return f"refers to {lost[0]}, which is not in it" if lost else ""


def references(schema: Any) -> Iterator[str]:
    """Every `$ref` in *schema*."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from references(part)


def check_against(schema: Object | None, value: Any, at: str) -> None:
    """400 with dotted paths such as `input.price` where *value* does not fit *schema*."""
    if not schema:
        return
    errors: dict[str, list[str]] = {}
    for error in jsonschema.Draft202012Validator(schema).iter_errors({} if value is None else value):
        path = [at, *map(str, error.absolute_path)]
        if error.validator == "required":
            path.append(error.message.removesuffix(" is a required property")[1:-1])
            text = "is required"
        elif error.validator == "type":
            text = f"must be a {error.validator_value}"
        else:
            text = error.message
        errors.setdefault(".".join(path), []).append(text)
    if errors:
        raise ValidationProblem(errors)
