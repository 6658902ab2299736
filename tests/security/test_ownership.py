"""What is somebody else's does not exist: byte for byte the same answer as for what was never there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.people import Visitor
from tests.security.conftest import MAPLE, House
from tests.security.test_same_origin import everything
from tests.security.tools import OURS, Reply, ask, filled

MALFORMED = [
    "nothing",
    "0",
    "-1",
    "99999999999999999999999999",
    "a" * 300,
    "..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e",
    "%00",
    "%0d%0aX-Evil:1",
    "'%20OR%201=1--",
    "\u202eevil",
    "%ff%fe",
    "\u00e9\u4e2d\U0001f600",
    "undefined",
    "*",
    "%25",
]


def routes(house: House) -> Iterator[tuple[str, str]]:
    for rule in house.app.url_map.iter_rules():
        if "ref" in rule.arguments and not rule.endpoint.startswith("support"):  # see tests/support/test_matrix.py
            for method in sorted({"GET", "POST"} & (rule.methods or set())):
                yield method, rule.rule.replace("<int:number>", "0").replace("<step>", "answer")


def get(house: House, method: str, path: str, who: str = "robin") -> Reply:
    form = {"source": "maple-and-main", "prompt": "x", "f0": "246810", "once": "x", "username": "u", "password": "p"}
    return ask(
        house.app, method, path, headers=OURS, form=form if method == "POST" else None, cookie=house.cookies[who]
    )


def test_what_is_ones_own_is_there(house: House) -> None:
    mine = house.refs["robin"]
    for method, rule in routes(house):
        if method == "GET":
            about = "connection" if rule.startswith("/connections") else "interaction"
            path = rule.replace("<ref>", mine[about]).replace("<run_ref>", mine["run"])
            assert get(house, method, path).status in (200, 303), path


def test_somebody_elses_equals_missing_byte_for_byte(house: House) -> None:
    before = everything(house)
    for method, rule in routes(house):
        missing = get(house, method, rule.replace("<ref>", "A" * 16).replace("<run_ref>", "B" * 16))
        assert missing.status == 404, rule
        for ref in [house.refs["sam"][what] for what in ("connection", "interaction", "pick", "deck_run")]:
            foreign = get(house, method, rule.replace("<ref>", ref).replace("<run_ref>", house.refs["sam"]["run"]))
            assert foreign.essence == missing.essence, (method, rule, ref)
    assert everything(house) == before


def test_neither_malformed_nor_decks_own_names_are_refs(house: House) -> None:
    before = everything(house)
    mine = house.refs["robin"]
    own_but_wrong = [mine["deck_run"], mine["deck_credential"], mine["run"], mine["connection"].lower() + "x", "1"]
    for method, rule in routes(house):
        for ref in MALFORMED + own_but_wrong:
            reply = get(house, method, rule.replace("<ref>", ref).replace("<run_ref>", mine["run"]))
            assert reply.status in (404, 405), (method, rule, ref, reply.status)
            assert len(reply.body) < 20_000 and b"evil" not in reply.body
            assert "X-Evil" not in reply.headers
    assert everything(house) == before


def test_a_sessions_ref_is_no_connections_ref_and_the_other_way_round(house: House) -> None:
    mine = house.refs["robin"]
    for method, rule in routes(house):
        wrong = mine["interaction"] if rule.startswith("/connections") else mine["connection"]
        assert get(house, method, rule.replace("<ref>", wrong).replace("<run_ref>", mine["run"])).status == 404


def test_a_file_is_reached_through_its_own_connection_only(house: House) -> None:
    mine, sams = house.refs["robin"], house.refs["sam"]
    own = f"/connections/{mine['connection']}/files"
    assert get(house, "GET", f"{own}/{mine['run']}/0").status == 200
    missing = get(house, "GET", f"{own}/{'B' * 16}/0").essence
    for run, number in [(sams["run"], 0), (mine["deck_run"], 0), (mine["run"], 1), (mine["run"], 10**30), ("%00", 0)]:
        assert get(house, "GET", f"{own}/{run}/{number}").essence == missing
    for number in ("-1", "x", "1e3", "0x0", "9" * 5_000):
        assert get(house, "GET", f"{own}/{mine['run']}/{number}").status == 404


def test_nobody_watches_somebody_elses_stream(house: House) -> None:
    ref = house.refs["sam"]["interaction"]
    assert get(house, "GET", f"/connect/{ref}/live", who="sam").body.startswith(b"data: <section")
    refused = get(house, "GET", f"/connect/{ref}/live", who="robin")
    assert refused.status == 404
    assert refused.headers["Content-Type"].startswith("text/html")
    assert b"Maple" not in refused.body
    assert ask(house.app, "GET", f"/connect/{ref}/live").status == 302


def test_an_answer_to_another_sessions_prompt_reaches_nobody(house: House) -> None:
    """Sam's prompt, posted to Robin's session, is like a prompt that never was; and the question stays open."""
    before, at_deck = everything(house), house.world.state_hash()
    page = ask(house.app, "GET", f"/connect/{house.refs['sam']['interaction']}", cookie=house.cookies["sam"]).text
    sams_prompt = page.split('name="prompt" value="')[1].split('"')[0]
    path = f"/connect/{house.refs['robin']['interaction']}/answer"

    def answered(prompt: str) -> Reply:
        form = {"prompt": prompt, "f0": "246810"}
        return ask(house.app, "POST", path, headers=OURS, form=form, cookie=house.cookies["robin"])

    assert answered(sams_prompt).status == 409
    assert answered(sams_prompt).essence == answered("never-was").essence
    assert everything(house) == before
    assert house.world.state_hash() == at_deck


def test_one_persons_pages_never_show_the_others(house: House) -> None:
    theirs = set(house.refs["sam"].values())
    for rule in house.app.url_map.iter_rules():
        if "GET" in (rule.methods or set()) and rule.endpoint != "static":
            for ref in set(house.refs["robin"].values()) if rule.arguments else {""}:
                path = filled(rule, ref=ref, run_ref=house.refs["robin"]["run"], number=0)
                text = get(house, "GET", path).text
                assert not [secret for secret in theirs if secret in text], path


@pytest.mark.parametrize("field", ["person_id", "connection_id", "task_id", "deck_id", "status", "ref", "purpose"])
def test_a_form_cannot_set_what_it_does_not_ask_for(robin: Visitor, field: str) -> None:
    robin.posts("/connect/start", {field: "2", "source": "maple-and-main"})
    assert robin.view() == "consent"
    robin.posts(f"{robin.page.url.path}/agree", {field: "2"})
    typed = {"source": "maple-and-main", "username": MAPLE[1], "password": MAPLE[2]}
    robin.posts(f"{robin.page.url.path}/sign-in", {field: "2", **typed})
    assert robin.view() == "progress"
