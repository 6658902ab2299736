"""What a connection's state means, in words for whoever has somebody on the phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..db import now
from ..exits import kind_of
from ..models import Person, Prompt
from ..models.connection import masked
from ..models.run import OVER

CONNECTION_WORDS = {
    "new": "Not signed in yet",
    "unverified": "Not proven yet",
    "verified": "Connected",
    "invalid": "Sign-in not accepted",
    "deleting": "Disconnecting",
    "deleted": "Disconnected",
}
RUN_WORDS = {
    "new": "Starting",
    "queued": "In line",
    "running": "Reading",
    "interaction_required": "Waiting for the person",
    "review_required": "In review at Deck",
    "cancelling": "Stopping",
    "canceled": "Stopped",
    "completed": "Done",
    "failed": "Failed",
}
GOOD, PROBLEM, WAIT = "good", "problem", "wait"
TONES = {
    "verified": GOOD,
    "invalid": PROBLEM,
    "unverified": WAIT,
    "deleting": WAIT,
    "completed": GOOD,
    "failed": PROBLEM,
    "interaction_required": WAIT,
    "review_required": WAIT,
}
ASKED = {
    "code": ("a code", "Ask them to look at their phone or mail and type the code on the page that is open."),
    "device": (
        "a choice of how to get a code",
        "Ask them to choose on the page that is open where the code should go.",
    ),
    "questions": ("an answer to a question", "Ask them to answer on the page that is open. Do not let them tell you."),
    "accounts": ("a choice of accounts", "Ask them to choose on the page that is open what may be read."),
    "selections": ("a choice", "Ask them to choose on the page that is open."),
}
LONG = timedelta(minutes=10)
TODAY = timedelta(hours=12)
SITE_DOWN = (
    "{s} is not working right now",
    "Their sign-in is not the problem. Try again in a few minutes; look at the source's page first.",
)
SITE_ERROR = ("We reached {s} but could not finish", "Run it again once. If it fails again, copy this for an engineer.")
RAN_OUT = (
    "Nobody answered {s} in time",
    "Run it again while they are on the phone, so that they can type the new code at once.",
)
ENDED = {
    "blocked": ("{s} is not letting us sign in", "Trying again now makes it worse. Their account is not affected."),
    "source_blocked": ("Deck does not allow {s}", "Nothing helps today. Say so, and let them choose another source."),
    "source_not_available": SITE_DOWN,
    "source_error": SITE_ERROR,
    "task_failed": SITE_ERROR,
    "timeout": ("{s} stopped answering", "Nothing was changed there. Run it again in a few minutes."),
    "interaction_timeout": RAN_OUT,
    "mfa_timeout": RAN_OUT,
}
TIMES = {1: "once", 2: "twice"}


@dataclass(frozen=True)
class Case:
    """All that the summary depends on: no rows, so that every case is one line in a test."""

    source: str
    status: str
    """The connection's."""
    since: datetime
    run: str = ""
    """The latest run's status; "" when there is none."""
    run_since: datetime | None = None
    codes: frozenset[str] = frozenset()
    is_taken: bool = True
    """Whether Deck has the latest run."""
    is_unknown: bool = False
    """Nobody knows whether it worked."""
    is_stopping: bool = False
    asks: str = ""
    """What the latest question wants, a key of `ASKED`; "" when the site never asked."""
    prompt: str = ""
    """The latest question's state."""
    prompt_since: datetime | None = None
    is_again: bool = False
    """The answer before was not accepted."""
    handing_over_since: datetime | None = None
    """A sign-in is on its way to Deck."""
    tries: int = 0
    """How often what is on its way to Deck did not get there."""
    rejections: int = 0
    paused_until: datetime | None = None
    last_good: datetime | None = None
    is_closing: bool = False


@dataclass(frozen=True)
class Standing:
    """Whose turn it is (person, source, us, Deck or nobody), what goes on since when, and what to do next."""

    turn: str
    tone: str
    words: str
    since: datetime | None
    advice: str

    @property
    def since_style(self) -> str:
        """The hour is enough for what is from today."""
        return "time" if self.since is None or now() - self.since < TODAY else ""


def standing(case: Case) -> Standing:
    """The summary of a case."""
    found = _leaving(case) or _on_the_way(case) or _running(case) or _over(case) or _idle(case)
    return Standing(found.turn, found.tone, found.words.replace("{s}", case.source), found.since, found.advice)


def _leaving(case: Case) -> Standing | None:
    if case.status == "deleted":
        advice = "Nothing is left at Deck. They can connect {s} again themselves."
        return Standing("nobody", "", "Disconnected", case.since, advice.replace("{s}", case.source))
    if case.status == "deleting":
        return Standing("us", WAIT, "Being disconnected", case.since, "Deck has still to confirm. Nothing to do.")
    if case.is_closing:
        return Standing("us", WAIT, "Their account is being deleted", None, "Nothing to do: they asked for it.")
    return None


def _on_the_way(case: Case) -> Standing | None:
    if case.handing_over_since is not None:
        advice = "It usually takes seconds." if not case.tries else _still_trying(case)
        words = "Their sign-in is on its way to Deck"
        return Standing("us", WAIT, words, case.handing_over_since, advice)
    return None


def _still_trying(case: Case) -> str:
    return f"Deck did not take it {times(case.tries)}. We keep trying by ourselves; look at Deck's state under Now."


def _running(case: Case) -> Standing | None:
    if not case.run or case.run in OVER:
        return None
    since = case.run_since
    if case.is_stopping or case.run == "cancelling":
        return Standing("Deck", WAIT, "Being stopped", since, "Wait a moment; then it can be run again.")
    if case.run == "new":
        advice = "It usually takes seconds." if not case.tries else _still_trying(case)
        return Standing("us", WAIT, "We are asking Deck to start", since, advice)
    if case.run == "interaction_required" and case.prompt == "open":
        thing, advice = ASKED.get(case.asks, ASKED["selections"])
        words = (
            f"{{s}} did not accept the answer and waits for {thing} again" if case.is_again else f"Waiting for {thing}"
        )
        return Standing("person", WAIT, words, case.prompt_since or since, advice)
    if case.run == "interaction_required":
        return Standing("source", WAIT, "They have answered, {s} is checking", case.prompt_since, "Wait a moment.")
    if case.run == "review_required":
        return Standing("Deck", WAIT, "Deck is reviewing it", since, "Nothing to do. It goes on by itself.")
    if case.run == "queued":
        return Standing("Deck", WAIT, "In line at Deck", since, _patience(since))
    if case.run == "running":
        return Standing("source", WAIT, "Deck is reading at {s}", since, _patience(since))
    return Standing("Deck", WAIT, f"Deck says “{case.run}”", since, "We do not know this state yet. Wait a moment.")


def _patience(since: datetime | None) -> str:
    if since is not None and now() - since > LONG:
        return "That is longer than usual. Look again at Deck; if nothing moves, cancel it and run it again."
    return "Nothing to do yet: this page changes by itself."


def _over(case: Case) -> Standing | None:
    if case.run in ("completed", "failed") and (case.is_unknown or "task_result_unknown" in case.codes):
        advice = "It may have worked, so do not run it again: ask them to look at their account there first."
        return Standing("nobody", WAIT, "Nobody knows whether it worked at {s}", case.run_since, advice)
    if case.run == "completed" and case.status != "invalid":
        words = f"Done: everything is fine, last read {ago(case.last_good)}" if case.last_good else "Done"
        return Standing("nobody", GOOD, words, None, "Nothing to do.")
    if case.run == "canceled":
        return Standing("person", "", "It was stopped", case.run_since, f"They can start again.{_kept(case)}")
    if case.run != "failed":
        return None
    if "auth_invalid" in case.codes:
        return _refused(case)
    if not case.is_taken:
        advice = "Their sign-in is not the problem. Copy this for an engineer; they can try again."
        return Standing("us", PROBLEM, "We could not start it at Deck", case.run_since, advice)
    words, advice = next(
        (ENDED[code] for code in sorted(case.codes) if code in ENDED),
        (f"It failed with {', '.join(sorted(case.codes)) or 'no reason given'}", SITE_ERROR[1]),
    )
    turn = "person" if (words, advice) == RAN_OUT else "nobody"
    return Standing(turn, PROBLEM, words, case.run_since, f"{advice}{_kept(case)}")


def _refused(case: Case) -> Standing:
    """The site said no to what was typed."""
    if case.paused_until is not None:
        words = f"{{s}} refused the sign-in {times(max(case.rejections, 1))}, so we pause"
        advice = "One more wrong try could lock their account there. Ask them to sign in at the site itself meanwhile."
        return Standing("nobody", PROBLEM, words, case.run_since, advice)
    if case.asks:
        advice = (
            "Their password may be fine. Run it again while they are on the phone: they get a new code, and only the "
            "newest one works."
        )
        return Standing("person", PROBLEM, "{s} did not accept the code and ended the sign-in", case.run_since, advice)
    advice = "Ask them to try the same sign-in at the site itself, then to type it again on our page."
    if case.rejections > 1:
        advice = "One more wrong try may lock their account there. Ask them to sign in at the site itself first."
    words = f"{{s}} refused the password {times(max(case.rejections, 1))}"
    return Standing("person", PROBLEM, words, case.run_since, advice)


def _kept(case: Case) -> str:
    """A failed refresh takes nothing away."""
    return f" What was read {ago(case.last_good)} is still there." if case.last_good else ""


def _idle(case: Case) -> Standing:
    """No run decides it."""
    if case.status == "invalid":
        advice = "Send them a reconnect link: they sign in once more, and everything goes on."
        return Standing("person", PROBLEM, "{s} does not accept the sign-in any more", case.since, advice)
    if case.status == "new":
        advice = "They have not finished signing in. Ask them to go on where they left."
        return Standing("person", WAIT, "Nothing has reached Deck yet", case.since, advice)
    if case.status == "verified":
        return Standing("nobody", GOOD, "Connected, nothing read yet", case.since, "It can be run now.")
    return Standing("person", WAIT, "The sign-in was taken, but nothing has been run", case.since, "Run it once.")


# --- small words -----------------------------------------------------------------------------------------------


def who_of(person: Person) -> tuple[str, str]:
    """How staff see somebody: their masked email, or the host's id for them; and whose they are."""
    if person.host is None:
        return masked(person.email or ""), ""
    known_as = person.client_user_id or ""
    return masked(known_as) if "@" in known_as else known_as, person.host.name


def asks(prompt: Prompt) -> str:
    """What a question wants, as a key of `ASKED`."""
    return "accounts" if prompt.type == "account_selection" else kind_of(prompt)


def times(count: int) -> str:
    return TIMES.get(count, f"{count} times")


def ago(moment: datetime | None) -> str:
    """How long ago, in words that change once a minute at most."""
    if moment is None:
        return "never"
    minutes = int((now() - moment).total_seconds() // 60)
    for unit, size in (("day", 1_440), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def lasting(seconds: float | None) -> str:
    """A duration: 42 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s".removesuffix(" 0 s")
    return f"{whole // 3_600} h {whole % 3_600 // 60} min".removesuffix(" 0 min")
