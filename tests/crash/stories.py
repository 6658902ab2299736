"""What happens to one person at one bank, in acts; and how they get where they wanted after an act went wrong.

What support does meanwhile is in `desk.py`, what happens to somebody a company sends in `guest.py`, and what Deck does
on a bad day in `bad_days.py`.
"""

from __future__ import annotations

from tests.crash.acts import Act, Goal
from tests.crash.town import Town, objects
from tests.deck.once import BANK, CARD, CODE, PASSWORD

EMAIL, WORD = "robin@sample.example", "correct horse battery"

# --- getting there, from wherever it stands ------------------------------------------------------------------------


def go_through(town: Town) -> None:
    """A person in the flow: does what the page asks for until it is over."""
    robin = town.person
    for _ in range(12):
        match robin.looks():
            case "":
                _go_in(town)
            case "consent":
                robin.presses("Agree and continue")
            case "pick":
                robin.presses(BANK)
            case "sign_in":
                robin.presses("Sign in", username=CARD, password=PASSWORD)
            case "input":
                robin.presses("Start")
            case "handing_over" | "progress":
                town.deck_goes_on()
                watches(town)
            case "interaction":
                robin.presses("Continue", f0=CODE)
            case "outcome":
                assert f"{BANK} is connected" in robin.sees()
                return
            case view:
                raise AssertionError(f"what to do about {view}?\n{robin.sees()}")
    raise AssertionError(f"no end to it:\n{robin.sees()}")


def be_in(town: Town) -> None:
    town.person.opens("/connections")
    if town.person.page.url.path != "/connections":
        town.person.presses("Sign in", email=EMAIL, password=WORD)


def _go_in(town: Town) -> None:
    robin = town.person
    be_in(town)
    if BANK in robin.sees():
        to_the_bank(town)
        robin.presses(_to_the_open_run(town) or "Change sign-in")
    else:
        robin.presses("Connect an account")


def _to_the_open_run(town: Town) -> str:
    """What leads from the bank's page to a run that goes on; "" where none does."""
    links = {"".join(link.itertext()) for link in town.person.tree.iter("a")}
    return next((words for words in ("Answer", "Go on where you left") if words in links), "")


def be_connected(town: Town) -> None:
    robin = town.person
    if robin.page.url.path == "/sign-up":
        if "There is an account" in robin.sees():
            robin.opens("/sign-in")
            robin.presses("Sign in", email=EMAIL, password=WORD)
        else:
            robin.presses("Create account", email=EMAIL, password=WORD)
    go_through(town)


def be_stopped(town: Town) -> None:
    robin = town.person
    to_the_bank(town)
    if len(list(objects(town, "task_runs"))) == 1 and not _to_the_open_run(town):
        robin.presses("Refresh")
        to_the_bank(town)
    if open_run := _to_the_open_run(town):
        robin.presses(open_run)
        if robin.view() in ("progress", "interaction") and "Stopping" not in robin.sees():
            robin.presses("Stop")
        town.deck_lets_pass(5)
        watches(town)
    to_the_bank(town)
    assert not _to_the_open_run(town)
    statuses = [run["status"] for run in objects(town, "task_runs")]
    assert statuses == ["completed", "canceled"], statuses


def be_connected_with_another_sign_in(town: Town) -> None:
    go_through(town)
    assert [run["status"] for run in objects(town, "task_runs")] == ["completed", "canceled", "completed"]


def be_rid_of_it(town: Town) -> None:
    robin = town.person
    robin.opens("/connections")
    if BANK in robin.sees():
        to_the_bank(town)
        robin.presses("Disconnect")
        robin.presses("Disconnect")
        robin.opens("/connections")
    assert BANK not in robin.sees()


def be_out(town: Town) -> None:
    town.person.opens("/connections")
    if town.person.page.url.path == "/connections":
        town.person.presses("Sign out")
        town.person.opens("/connections")
    assert town.person.page.url.path == "/sign-in"


def be_forgotten(town: Town) -> None:
    robin = town.person
    robin.opens("/connections")
    if robin.page.url.path == "/connections":
        deletes_the_account(town)
    robin.opens("/connections")
    assert robin.page.url.path == "/sign-in"


# --- the acts ------------------------------------------------------------------------------------------------------


def to_the_bank(town: Town) -> None:
    town.person.opens("/connections")
    town.person.presses(BANK)


def watches(town: Town) -> None:
    """Keeps the page open for a little while, and looks at it."""
    town.person.looks()
    town.later(9)
    town.is_watched()


def signs_up(town: Town) -> None:
    town.person.opens("/sign-up")
    town.person.presses("Create account", email=EMAIL, password=WORD)


def starts(town: Town) -> None:
    town.person.presses("Connect an account")
    town.person.presses("Agree and continue")
    town.person.presses(BANK)


def signs_in(town: Town) -> None:
    town.person.presses("Sign in", username=CARD, password=PASSWORD)


def answers(town: Town) -> None:
    town.person.looks()
    town.person.presses("Continue", f0=CODE)


def deck_goes_on_unheard(town: Town) -> None:
    """Somebody has switched our webhook off."""
    for destination in objects(town, "event_destinations"):
        town.world.touch(destination, status="inactive")
    town.deck_goes_on()


def the_watchdog_looks(town: Town) -> None:
    town.later(360)
    town.our_watchdog_looks()


def fetches_a_file(town: Town) -> None:
    to_the_bank(town)
    town.person.presses("statement-2026-10.txt")
    assert "Statement for October 2026" in town.person.page.text


def refreshes(town: Town) -> None:
    to_the_bank(town)
    town.person.presses("Refresh")


def stops(town: Town) -> None:
    watches(town)
    town.person.looks()
    town.person.presses("Stop")


def changes_the_sign_in(town: Town) -> None:
    to_the_bank(town)
    town.person.presses("Change sign-in")
    town.person.presses("Sign in", username=CARD, password=PASSWORD)


def disconnects(town: Town) -> None:
    to_the_bank(town)
    town.person.presses("Disconnect")
    town.person.presses("Disconnect")


def changes_their_mind(town: Town) -> None:
    starts(town)
    town.person.presses("Choose another source")
    town.person.presses("Not now")


def meets_an_error_page(town: Town) -> None:
    """A link to a phone that ran out. The page has a code that support can look up."""
    town.person.opens(f"/phone/ph_{'A' * 43}")
    assert town.person.page.status_code == 410 and "data-code" in town.person.page.text


def deletes_the_account(town: Town) -> None:
    town.person.opens("/account/delete")
    town.person.presses("Delete my account", password=WORD)


def minutes_pass(town: Town) -> None:
    for _ in range(3):
        town.later(121)
        town.our_watchdog_looks()


CONNECTED = Goal(be_connected, runs=1, live=1)
IN_HAND = Goal(fetches_a_file, runs=1, live=1)
STOPPED = Goal(be_stopped, runs=2, live=1)
CHANGED = Goal(be_connected_with_another_sign_in, runs=3, live=1)
RID = Goal(be_rid_of_it, runs=3, live=0)
OUT = Goal(be_out, runs=3, live=0)
FORGOTTEN = Goal(be_forgotten, runs=3, live=0, forgotten=True)

ACTS = [
    Act("signs up", signs_up, CONNECTED),
    Act("starts", starts, CONNECTED),
    Act("signs in at the bank", signs_in, CONNECTED),
    Act("Deck tells and asks", Town.deck_goes_on, CONNECTED),
    Act("answers", answers, CONNECTED),
    Act("Deck finishes unheard", deck_goes_on_unheard, CONNECTED),
    Act("the watchdog looks", the_watchdog_looks, CONNECTED),
    Act("fetches a file", fetches_a_file, IN_HAND),
    Act("refreshes", refreshes, STOPPED),
    Act("Deck asks again", Town.deck_goes_on, STOPPED),
    Act("stops", stops, STOPPED),
    Act("Deck stops", lambda town: town.deck_lets_pass(5), STOPPED),
    Act("changes the sign-in", changes_the_sign_in, CHANGED),
    Act("Deck asks a third time", Town.deck_goes_on, CHANGED),
    Act("answers again", answers, CHANGED),
    Act("Deck finishes", Town.deck_goes_on, CHANGED),
    Act("disconnects", disconnects, RID),
    Act("Deck tells that it is gone", lambda town: town.deck_lets_pass(5), RID),
    Act("changes their mind", changes_their_mind, RID),
    Act("meets an error page", meets_an_error_page, RID),
    Act("signs out", lambda town: town.person.presses("Sign out"), OUT),
    Act("deletes the account", deletes_the_account, FORGOTTEN, instead_of="disconnects"),
    Act("the account goes", minutes_pass, FORGOTTEN),
]
