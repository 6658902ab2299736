"""What support does for the person, in acts: a lead comes in, looks closely, runs it again, cancels, disconnects.

Whatever they were at when we died, they come back and look whether it is done; only what is not they do again.
"""

from __future__ import annotations

from tests.crash.acts import Act, Goal
from tests.crash.town import Town, objects, rows, there_are
from tests.support.entering import PASSWORD, gives_code, gives_password
from webapp.support.acts import ACTS as OFFERED

WHY = "Ticket 4711: they called"
NOTE = "Called at nine."
VIEW = {"view_name": "Mine", "status": "verified"}


def only(town: Town, table: str, column: str = "ref") -> str:
    """Of the newest row."""
    return str(rows(town.database, f"SELECT {column} FROM {table} ORDER BY id DESC LIMIT 1")[0][column])


def sends(town: Town, path: str, **fields: str) -> None:
    """Post a form, and not look where it leads."""
    town.agent.http.post(f"/support{path}", data=fields, headers={"Sec-Fetch-Site": "same-origin"})


def does(town: Town, act: str, ref: str) -> None:
    """Open the act's page, say why, press its button; then our worker works."""
    town.agent.opens(f"/support/act/{act}/{ref}")
    town.agent.presses(OFFERED[act].button, reason=WHY)
    town.our_worker_works()


# --- getting there, from wherever it stands ------------------------------------------------------------------------


def be_in(town: Town) -> None:
    town.agent.opens("/support/mine")
    if town.agent.page.url.path != "/support/mine":
        comes_in(town)
    assert town.agent.page.url.path == "/support/mine", town.agent.sees()


def be_informed(town: Town) -> None:
    be_in(town)
    if not there_are(town, "staff_note"):
        sends(town, f"/connections/{only(town, 'connection')}/notes", text=NOTE)
    town.agent.opens(f"/support/connections/{only(town, 'connection')}")
    assert NOTE in town.agent.sees()


def be_prepared(town: Town) -> None:
    be_in(town)
    if not there_are(town, "staff_token"):
        sends(town, "/mine/tokens", name="Reports")
    for token in rows(town.database, "SELECT ref FROM staff_token WHERE revoked_at IS NULL"):
        sends(town, f"/mine/tokens/{token['ref']}/revoke")  # one that nobody saw is there too
    assert there_are(town, "staff_token") and not there_are(town, "staff_token WHERE revoked_at IS NULL")
    if there_are(town, "saved_view"):
        sends(town, f"/views/connections/{only(town, 'saved_view')}/delete")


def have_it_stopped(town: Town) -> None:
    be_in(town)
    if len(list(objects(town, "task_runs"))) == 1:
        if not there_are(town, "run WHERE ended_at IS NULL"):
            does(town, "run_again", only(town, "connection"))
        town.our_worker_works()
    if there_are(town, "run WHERE ended_at IS NULL AND NOT is_stopping"):
        does(town, "cancel", only(town, "run"))
    town.our_worker_works()
    town.deck_lets_pass(5)
    assert [run["status"] for run in objects(town, "task_runs")] == ["completed", "canceled"]


def have_it_disconnected(town: Town) -> None:
    be_in(town)
    if there_are(town, "connection WHERE status NOT IN ('deleting', 'deleted')"):
        does(town, "disconnect", only(town, "connection"))
    town.our_worker_works()
    town.deck_lets_pass(5)
    assert there_are(town, "connection WHERE status = 'deleted'") == 1


def be_out(town: Town) -> None:
    be_in(town)
    sends(town, "/sign-out")
    assert town.agent.opens("/support/mine").url.path == "/support/sign-in"


# --- the acts ------------------------------------------------------------------------------------------------------


def comes_in(town: Town) -> None:
    gives_password(town.agent, town.member)
    gives_code(town.agent, town.member.code())
    town.agent.opens("/support/mine")


def looks_closely(town: Town) -> None:
    """Each of these is on record."""
    town.later(40)  # long enough that it is noted that they are still here
    sends(town, f"/people/{only(town, 'person', 'id')}/reveal", reason=WHY)
    sends(town, f"/connections/{only(town, 'connection')}/notes", text=NOTE)
    town.agent.opens("/support/audit")
    town.agent.opens("/support/connections.csv")
    town.agent.opens("/support/team")
    assert town.agent.page.status_code == 403, "leads see no team"


def puts_things_in_order(town: Town) -> None:
    sends(town, "/views/connections", **VIEW)
    sends(town, f"/views/connections/{only(town, 'saved_view')}/delete")
    sends(town, "/mine/tokens", name="Reports")
    sends(town, f"/mine/tokens/{only(town, 'staff_token')}/revoke")
    sends(town, "/mine/recovery")
    sends(town, "/mine/sessions/end-others")
    sends(town, "/mine/password", password=PASSWORD)
    town.agent.opens("/support/mine")


def runs_it_again(town: Town) -> None:
    does(town, "run_again", only(town, "connection"))


def cancels(town: Town) -> None:
    does(town, "cancel", only(town, "run"))


def disconnects(town: Town) -> None:
    does(town, "disconnect", only(town, "connection"))


STOPPED = Goal(have_it_stopped, runs=2, live=1)
RID = Goal(have_it_disconnected, runs=2, live=0)

ACTS = [
    Act("support comes in", comes_in, Goal(be_in, runs=1, live=1), instead_of="refreshes"),
    Act("support looks closely", looks_closely, Goal(be_informed, runs=1, live=1)),
    Act("support puts things in order", puts_things_in_order, Goal(be_prepared, runs=1, live=1)),
    Act("support runs it again", runs_it_again, STOPPED),
    Act("Deck asks the person", Town.deck_goes_on, STOPPED),
    Act("support cancels", cancels, STOPPED),
    Act("Deck stops it", lambda town: town.deck_lets_pass(5), STOPPED),
    Act("support disconnects", disconnects, RID),
    Act("Deck destroys the sign-in", lambda town: town.deck_lets_pass(5), RID),
    Act("support leaves", lambda town: sends(town, "/sign-out"), Goal(be_out, runs=2, live=0)),
]
