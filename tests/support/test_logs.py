"""Whose requests they are, as the log tells it."""

from __future__ import annotations

from flask import Flask

from tests.companies import founded
from tests.log_reader import Reader
from tests.people import Visitor


def test_the_log_tells_companies_and_staff_from_nobody(app: Flask, agent: Visitor, reader: Reader) -> None:
    founded(app).reads("/connections")
    agent.opens("/support/connections")
    lines = {line["route"]: line for line in reader.of("request")}
    host, staff = lines["/v1/connections"], lines["/support/connections"]
    assert (host["actor_type"], staff["actor_type"]) == ("host", "staff")
    assert host["actor_id_hash"] != staff["actor_id_hash"]
