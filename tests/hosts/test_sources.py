"""A company asks what its people can connect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.companies import Company, Server
from webapp.catalog import read_catalog
from webapp.db import db, now, writing
from webapp.demo import cast
from webapp.models import Source


def ids(page: dict[str, Any]) -> list[str]:
    return [source["source_id"] for source in page["data"]]


def test_what_is_popular_comes_first_with_its_id(tidepool: Server) -> None:
    first = tidepool.reads("/sources")["data"][0]
    assert first == {
        "source_id": "maple-and-main",
        "name": "Maple & Main Bank",
        "domain": "maplemain.example",
        "status": "up",
    }


def test_it_is_found_as_people_search(tidepool: Server) -> None:
    assert ids(tidepool.reads("/sources?q=mapel"))[0] == "maple-and-main"
    assert ids(tidepool.reads("/sources?q=https://www.northlight.example/login")) == ["northlight-power"]
    none = tidepool.reads("/sources?q=nothing-like-it")
    assert (none["data"], none["has_more"]) == ([], False)


def test_a_company_sees_its_own_sources_only(company: Company) -> None:
    assert ids(company("Ours", sources=["northlight-power"]).reads("/sources")) == ["northlight-power"]


def test_page_by_page_each_comes_once(tidepool: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = ids(tidepool.reads("/sources"))
    assert len(everything) == len(read_catalog(cast.CATALOG).sources)
    monkeypatch.setattr("webapp.hosts.sources.PAGE", 5)
    found, more = list[str](), True
    while more:
        page = tidepool.reads(f"/sources?after={found[-1]}" if found else "/sources")
        found, more = found + ids(page), page["has_more"]
    assert found == everything
    assert tidepool.asks("GET", "/sources?after=nothing").status_code == 404


def test_what_does_not_work_says_so(tidepool: Server, app: Flask) -> None:
    def northlight() -> str:
        (source,) = tidepool.reads("/sources?q=northlight")["data"]
        return str(source["status"])

    troubles: dict[str, dict[str, Any]] = {
        "unsteady": {"failures": 1, "failed_at": now()},
        "down": {"failures": 3, "failed_at": now()},
        "stopped": {"stopped_until": now() + timedelta(hours=1)},
    }
    for status, trouble in troubles.items():
        with app.app_context(), writing():
            db.session.query(Source).filter_by(slug="northlight-power").update(trouble)
        assert northlight() == status
