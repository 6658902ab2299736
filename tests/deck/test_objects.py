"""Deck's objects, in every vintage of the API and in every state of disrepair."""

from __future__ import annotations

import copy
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.deck import Credential, Destination, Event, Interaction, StorageItem, TaskRun
from webapp.deck.errors import DeckError, DeckUnreadable
from webapp.deck.objects import Field, Named, Option, Task, parse_moment

AT = "2026-11-20T10:00:00Z"

WHOLE: dict[Any, dict[str, Any]] = {
    Named: {"id": "src_1", "name": "Bank", "type": "website", "website": {"url": "https://b.example"}},
    Task: {"id": "task_1", "name": "T", "agent_id": "agt_1", "prompt": "Read.", "storage": {"enabled": True}},
    Credential: {
        "id": "cred_1",
        "status": "verified",
        "external_id": "e",
        "source_id": "src_1",
        "auth_credentials": {"username": "robin", "key": None},
    },
    TaskRun: {
        "id": "trun_1",
        "status": "failed",
        "result": "failure",
        "output": {"a": [1, {"b": "c"}]},
        "errors": [{"type": "auth", "code": "auth_invalid", "message": "No.", "field": None}],
        "storage": [{"id": "stor_1", "file_name": "a.pdf", "file_type": "application/pdf", "file_size": 3}],
        "interaction": {
            "type": "mfa",
            "message": "Code?",
            "fields": [{"name": "code", "type": "string", "label": "Code", "options": [{"value": "1", "label": "A"}]}],
        },
        "created_at": AT,
        "updated_at": AT,
    },
    StorageItem: {"id": "stor_1", "file_name": "a.pdf", "file_type": "application/pdf", "file_size": 3, "url": "u"},
    Event: {
        "id": "evt_1",
        "object": "event",
        "type": "task_run.running",
        "data": {"id": "trun_1", "status": "running", "updated_at": AT},
        "created_at": AT,
    },
    Destination: {"id": "evtd_1", "name": "D", "status": "active", "webhook": {"url": "https://us.example"}},
}


def run(**changes: Any) -> TaskRun:
    return TaskRun.from_json({**WHOLE[TaskRun], **changes})


def test_a_run_is_read() -> None:
    told = run()
    assert (told.id, told.status, told.result, told.output) == ("trun_1", "failed", "failure", {"a": [1, {"b": "c"}]})
    assert told.as_of == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert [(e.type, e.code) for e in told.errors] == [("auth", "auth_invalid")]
    assert told.storage == (StorageItem("stor_1", "a.pdf", "application/pdf", 3),)
    assert told.interaction == Interaction("mfa", "Code?", (Field("code", "string", "Code", (Option("1", "A"),)),))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("canceling", "cancelling"),
        ("cancelling", "cancelling"),
        ("pending", "review_required"),
        ("review_required", "review_required"),
        ("queued", "queued"),
        ("canceled", "canceled"),
        ("levitating", "levitating"),
    ],
)
def test_old_and_new_words_for_a_status(said: str, meant: str) -> None:
    assert run(status=said).status == meant
    assert Event.from_json({**WHOLE[Event], "data": {"id": "trun_1", "status": said}}).status == meant


def test_sections_that_a_vintage_leaves_out() -> None:
    bare = TaskRun.from_json({"id": "trun_1", "status": "queued", "created_at": AT})
    assert (bare.result, bare.output, bare.errors, bare.interaction, bare.storage) == ("", None, (), None, ())
    assert bare.as_of == parse_moment(AT), "created_at stands in for updated_at"
    empty = run(result="", output=None, errors=None, interaction="", storage=None)
    assert (empty.result, empty.errors, empty.interaction, empty.storage) == ("", (), None, ())


def test_an_event_says_when_it_happened_and_how_old_its_object_is() -> None:
    event = Event.from_json({**WHOLE[Event], "data": {"id": "x" * 255, "status": "", "updated_at": ""}})
    assert (event.subject, event.status, event.as_of) == ("x" * 255, "", None)
    assert Event.from_json(WHOLE[Event]).as_of == parse_moment(AT)
    assert Event.from_json({"id": "evt_1", "created_at": AT, "data": None}).subject == ""


@pytest.mark.parametrize("place", ["webhook", "type_config", "config"])
def test_a_destinations_address_has_moved_about(place: str) -> None:
    assert Destination.from_json({"id": "evtd_1", place: {"url": "https://us.example"}}).url == "https://us.example"


# --- questions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["options", "choices", "enum"])
@pytest.mark.parametrize(
    ("given", "offered"),
    [
        (["a", "b"], [("a", "a"), ("b", "b")]),
        ([{"value": "1", "label": "One"}], [("1", "One")]),
        ([{"id": "1", "name": "One"}], [("1", "One")]),
        ([{"label": "One"}], [("One", "One")]),
        ([{"value": "1"}], [("1", "1")]),
        ([1, True], [("1", "1"), ("True", "True")]),
        ([{"value": "1", "label": "O\u202ene\n"}], [("1", "One")]),
        (["a\x00", "\ud800", "a\nb", "c"], [("c", "c")]),
        ("text", []),
        ({"a": 1}, []),
        ([], []),
        (None, []),
    ],
)
def test_choices_in_every_spelling(word: str, given: Any, offered: list[tuple[str, str]]) -> None:
    field = Field.from_json({"name": "account", "type": "string", "label": "Account", word: given})
    assert [(option.value, option.label) for option in field.options] == offered


def test_a_fields_name_goes_back_as_it_came_and_is_shown_clean() -> None:
    field = Field.from_json({"name": "co\u202ede\x00", "label": ""})
    assert (field.name, field.label) == ("co\u202ede\x00", "code")
    assert Field.from_json({"name": ["x"]}).name == ""


def test_endless_questions_are_cut() -> None:
    field = {"name": "x", "options": [str(i) for i in range(1_000)]}
    asked = Interaction.from_json({"fields": [field] * 500 + ["junk"]})
    assert len(asked.fields) == 20
    assert len(asked.fields[0].options) == 100


# --- moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", range(8))
def test_a_moment_has_up_to_seven_digits(digits: int) -> None:
    fraction = "." + "1234567"[:digits] if digits else ""
    microseconds = int("1234567"[: min(digits, 6)].ljust(6, "0")) if digits else 0
    wanted = datetime(2025, 1, 15, 9, 30, 0, microseconds, tzinfo=UTC)
    assert parse_moment(f"2025-01-15T09:30:00{fraction}Z") == wanted
    assert parse_moment(f"2025-01-15T09:30:00{fraction}") == wanted, "without a zone it is UTC"
    assert parse_moment(f"2025-01-15T11:30:00{fraction}+02:00") == wanted


@pytest.mark.parametrize(
    "bad",
    [
        *[None, "", "soon", 0, 20250115, 1.5, True, [], {}, "Z", "\ud800", "1763632800", "x" * 10_000],
        *["2025-13-01T00:00:00Z", "2025-01-15T25:00:00Z", "2025-01-15T09:30:00ZZ"],
        *["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
    ],
)
def test_a_moment_that_is_none(bad: Any) -> None:
    with pytest.raises(DeckUnreadable):
        parse_moment(bad)


@given(st.text() | st.from_regex(r"[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3}T[0-9:]{1,9}(\.[0-9]{0,9})?([Z]|[+-][0-9:]{1,9})?"))
def test_text_is_a_moment_in_utc_or_unreadable(text: str) -> None:
    with suppress(DeckUnreadable):
        assert parse_moment(text).tzinfo is UTC


# --- disrepair ---------------------------------------------------------------------------------------------------

junk = st.recursive(
    st.sampled_from([None, True, 0, -1, 2**63 - 1, 1.5, "", "\ud800", "a" * 5_000, "\x00", "<b>", AT, [], {}]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside *value*."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in [(*path, key), *places(value[key], (*path, key))]]


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_damaged_object_is_read_or_refused(kind: Any, data: st.DataObject) -> None:
    damaged = copy.deepcopy(WHOLE[kind])
    for path in data.draw(st.lists(st.sampled_from(places(damaged)), min_size=1, max_size=3)):
        inside: Any = damaged
        try:
            for key in path[:-1]:
                inside = inside[key]
            inside[path[-1]]  # still there?
        except (LookupError, TypeError):
            continue
        if data.draw(st.booleans()):
            inside[path[-1]] = data.draw(junk)
        else:
            del inside[path[-1]]
    damaged["extra"] = data.draw(junk)
    with suppress(DeckError):
        assert isinstance(kind.from_json(damaged), kind)


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("id", [None, "", 7, ["x"], {"a": 1}, "x" * 256, "é", "a\nb", "\x00", True])
def test_no_object_without_a_usable_id(kind: Any, id: Any) -> None:
    with pytest.raises(DeckUnreadable):
        kind.from_json({**WHOLE[kind], "id": id})


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
def test_ids_are_opaque_and_may_be_long(kind: Any) -> None:
    assert kind.from_json({**WHOLE[kind], "id": "x_" + "9" * 253}).id == "x_" + "9" * 253


def test_hostile_text_is_cleaned_everywhere() -> None:
    hostile = "a\u202e\x00\ud800b"
    told = run(
        output={hostile: [hostile]},
        errors=[{"type": hostile, "code": hostile, "message": hostile}],
        storage=[{"id": "stor_1", "file_name": hostile, "file_type": hostile, "file_size": -1, "url": hostile}],
        interaction={"type": hostile, "message": hostile, "fields": [{"name": "n", "type": hostile, "label": hostile}]},
    )
    assert repr(told).count("'ab'") == 12
    assert "\\u" not in repr(told) and "\\x" not in repr(told)
    assert told.storage[0].size == 0
