"""What we tell people when a run is over, by Deck's code (docs.deck.co/api/errors). Never what went wrong inside."""

from __future__ import annotations

from dataclasses import dataclass

from .models import Run
from .models.run import UNANSWERED


@dataclass(frozen=True)
class Outcome:
    """A screen's words and the two things somebody can do next.

    `tone` is good, wait or problem. Actions are `again` (a new run), `other` (another source) and `done`
    (my connections). A refused password has no outcome: the sign-in form itself comes back.
    """

    tone: str
    title: str
    body: str
    primary: tuple[str, str]
    secondary: tuple[str, str] | None = None

    def about(self, source: str, host: str, client: str, way_out: str) -> Outcome:
        """The same, with names in place of {s}, {host} and {c}, and where to disconnect in place of {out}."""

        def fill(text: str) -> str:
            return text.replace("{s}", source).replace("{host}", host).replace("{c}", client).replace("{out}", way_out)

        return Outcome(self.tone, fill(self.title), fill(self.body), self.primary, self.secondary)


DONE = ("done", "Done")
LATER = ("done", "Leave it for now")
OTHER = ("other", "Choose another source")
AGAIN = ("again", "Try again")

CONNECTED = Outcome(
    "good",
    "{s} is connected",
    "{c} can now read what you agreed to. You can disconnect at any time {out}.",
    DONE,
    ("other", "Connect another"),
)
REFRESHED = Outcome("good", "{s} is up to date", "What came back is on the connection’s page.", DONE)

CHECKING = Outcome(
    "wait",
    "We are checking whether it worked",
    "{s} did not confirm. Please do not try again yet: it may have worked.",
    ("done", "Close"),
)
STOPPED = Outcome("wait", "You stopped this", "Nothing more will happen at {s}.", AGAIN, OTHER)
SITE_TROUBLE = Outcome(
    "problem",
    "Something went wrong at {s}",
    "We reached {s} but could not finish. Nothing was changed.",
    AGAIN,
    LATER,
)
BLOCKED = Outcome(
    "problem",
    "{s} is not letting us sign in right now",
    "This is on {s}’s side, not yours. Trying again now will not help. Your account at {s} is not affected.",
    OTHER,
    LATER,
)
CODE_RAN_OUT = Outcome(
    "problem",
    "The code ran out of time",
    "{s} did not wait any longer. We can sign in again and get a new code; you will not retype your sign-in.",
    ("again", "Get a new code"),
    LATER,
)
ANSWER_CAME_LATE = Outcome(
    "problem",
    "The question ran out of time",
    "{s} did not wait any longer. We can sign in again and it asks once more; you will not retype your sign-in.",
    AGAIN,
    LATER,
)
TOOK_TOO_LONG = Outcome("problem", "This took too long", "{s} stopped answering. Nothing was changed.", AGAIN, LATER)
NOT_WORKING = Outcome(
    "problem",
    "{s} is not working right now",
    "Their site is down or under maintenance. Your sign-in is not the problem. Try again in a few minutes.",
    AGAIN,
    OTHER,
)
OURS = Outcome(
    "problem",
    "We could not start",
    "Something is wrong on our side, not yours. Nothing was changed at {s}. Try again, and tell us if it stays so.",
    AGAIN,
    LATER,
)

BY_CODE = {
    "blocked": BLOCKED,
    "source_not_available": NOT_WORKING,
    "source_blocked": Outcome(
        "problem", "We cannot connect to {s}", "{c}’s provider does not allow this source.", OTHER, LATER
    ),
    "source_error": SITE_TROUBLE,
    "task_failed": SITE_TROUBLE,
    "timeout": TOOK_TOO_LONG,
    "interaction_timeout": CODE_RAN_OUT,
    "mfa_timeout": CODE_RAN_OUT,
    "task_result_unknown": CHECKING,
}

REFUSED_AN_ANSWER = Outcome(
    "problem",
    "That answer did not work",
    "{s} did not accept the answer, and ended the sign-in. We can sign in again, and {s} will ask once more.",
    AGAIN,
    LATER,
)
REJECTED_AFTER_CODE = Outcome(
    "problem",
    "That code did not work",
    "{s} did not accept the code, and ended the sign-in. We can sign in again, and {s} will send a new one.",
    ("again", "Get a new code"),
    LATER,
)


def outcome_of(run: Run, client: str, way_out: str) -> Outcome:
    """The words for a run that is over."""
    return words_for(run).about(run.source.name, run.source.host, client, way_out)


def words_for(run: Run) -> Outcome:
    if run.is_unsure:
        return CHECKING
    if run.status == "completed":
        return REFRESHED if run.connect_session.purpose == "refresh" else CONNECTED
    if run.status == "canceled":
        return STOPPED
    was_question = bool(run.prompts) and run.prompts[-1].type != "mfa"
    if "auth_invalid" in run.codes and run.prompts:
        return REFUSED_AN_ANSWER if was_question else REJECTED_AFTER_CODE
    if was_question and run.codes & UNANSWERED:
        return ANSWER_CAME_LATE
    if not run.deck_id:
        return OURS
    return next((BY_CODE[code] for code in sorted(run.codes) if code in BY_CODE), SITE_TROUBLE)
