"""What came back is laid out for people."""

from __future__ import annotations

from webapp.results import MISSING, lay_out

SCHEMA = {
    "type": "object",
    "properties": {
        "holder": {"type": "string", "title": "Account holder"},
        "currency": {"type": "string"},
        "balance": {"type": "number", "format": "money"},
        "due": {"type": "string", "format": "date"},
        "paperless": {"type": "boolean"},
        "points": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "activity": {
            "type": "array",
            "items": {"type": "object", "properties": {"amount": {"type": "number", "format": "money"}}},
        },
        "address": {"type": "object", "properties": {"street": {"type": "string"}}},
    },
}


def test_money_dates_and_the_rest_read_like_on_paper() -> None:
    output = {
        "holder": "Robin",
        "currency": "EUR",
        "balance": 1234.5,
        "due": "2026-12-05",
        "paperless": True,
        "points": 12000,
        "tags": ["a", "b"],
    }
    shown = {label: value.text for label, value in lay_out(output, SCHEMA).values}
    assert shown == {
        "Account holder": "Robin",
        "Balance": "€1,234.50",
        "Due": "Dec 5, 2026",
        "Paperless": "Yes",
        "Points": "12,000",
        "Tags": "a, b",
        "Address": MISSING,
    }


def test_a_list_of_objects_is_a_table_and_an_object_a_section() -> None:
    output = {"currency": "CAD", "activity": [{"amount": -1}, {"amount": None}], "address": {"street": "12 Harbour St"}}
    section = lay_out(output, SCHEMA)
    assert [[cell.text for cell in row] for row in section.tables[0].rows] == [["−CA$1.00"], [MISSING]]
    assert section.sections[0].values[0][1].text == "12 Harbour St"


def test_what_the_site_lacks_is_a_dash_and_an_unknown_currency_a_number() -> None:
    shown = dict(lay_out({"balance": 5}, SCHEMA).values)
    assert shown["Balance"].text == "5.00"
    assert shown["Due"].text == MISSING


def test_outputs_that_fit_no_schema_are_shown_all_the_same() -> None:
    assert lay_out({"anything": "goes"}, None).values[0][1].text == "goes"
    assert lay_out("not an object", SCHEMA).values[0][1].text == MISSING
    assert lay_out({"activity": "odd", "due": "soon"}, SCHEMA).tables == []


def test_numbers_of_any_size_are_shown() -> None:
    shown = dict(lay_out({"balance": 1e308, "points": 10**17}, SCHEMA).values)
    assert shown["Balance"].text
    assert shown["Points"].text == "100,000,000,000,000,000"
