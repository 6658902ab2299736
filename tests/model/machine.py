"""The machine: everything that people, Deck, the network and the power supply may do, in any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from werkzeug.test import TestResponse

from tests.deck.line import PowerCut
from tests.model.invariants import Invariants, username_of
from tests.model.post import Post
from tests.model.stage import CANARY, PEOPLE, SOURCES, Scene, Tab
from tests.model.wire import FATES, Trouble
from webapp.twin.errors import ControlError

ARMS = ("completed", "interaction", "auth_invalid", "blocked", "failed", "timeout", "unknown", "review", "source_down")
STOPS = ("interaction_required", "review_required", "completed", "failed")
SPANS = (1, 6, 11, 31, 61, 301, 1_900)
SECONDS = timedelta(seconds=30)
"""What Deck is at takes less. What takes longer, such as a question nobody answers, is a matter of time passing."""
PAGES = (200, 302, 303, 401, 404, 409, 422, 429, 502, 503)
"""What a page may be answered with."""

CODE = {"type": "mfa", "fields": [{"name": "code", "type": "string", "label": "Code"}]}
PET = {"type": "security_question", "fields": [{"name": "pet", "type": "string", "label": "Pet"}]}
QUESTIONS = (
    {**CODE, "message": "Enter the code."},
    {**CODE, "message": "Enter the newest code."},
    {**PET, "message": "Your first pet?"},
)
HAPPENINGS = (
    "task_run.interaction_expired",
    "task_run.review_required",
    "task_run.review_resolved",
    "task_run.finished",
    "task_run.blocked",
    "credential.rejected",
    "credential.accepted",
    "session.lost",
    "storage.captured",
    "source.down",
    "event_destination.disabled",
)

who = st.sampled_from(PEOPLE)
which = st.integers(0, len(SOURCES) - 1)
some = st.integers(0, 30)


class Machine(RuleBasedStateMachine):
    """One example: two people, three visits each, one Deck, and whatever goes wrong."""

    scene: ClassVar[Scene]

    def __init__(self) -> None:
        super().__init__()
        self.scene.begin()
        self.promises = Invariants(self.scene)
        self.post = Post(self.scene)
        self.world = self.scene.world
        self.visits = {name: list(refs) for name, refs in self.scene.beginning.visits.items()}
        self.tabs: list[Tab] = []
        self.typed = 0

    @initialize(arm=st.sampled_from(("interaction", "interaction", "completed", "")))
    def somebody_has_begun(self, arm: str) -> None:
        """Most of what can go wrong goes wrong later, so most examples begin in the middle."""
        if arm:
            self._signs_in("robin", 0, arm, "first")
            self._goes_on(until_it_stops=True)
            self.scene.worker.do_due()  # Deck's list of events is not read yet, so webhooks bring news
            self._opens_a_tab("robin", self.visits["robin"][0])

    # --- people --------------------------------------------------------------------------------------------

    @rule(who=who, nth=which, arm=st.sampled_from(ARMS), again=st.booleans())
    def signs_in(self, who: str, nth: int, arm: str, again: bool) -> None:
        """With a fresh form, or the same one posted once more."""
        self._signs_in(who, nth, arm, f"form-{who}-{nth}" if again else f"form-{self.typed}")

    def _signs_in(self, who: str, nth: int, arm: str, form: str) -> None:
        self.world.pins.pins.clear()
        self.world.pins.add({"on": "task_run", "path": "branch", "value": arm, "mode": "once"})
        page = self._posts(
            who,
            f"/connect/{self.visits[who][nth]}/sign-in",
            source=self.promises.source_of(self.visits[who][nth]),
            username=username_of(who),
            password=self._types(),
            once=form,
        )
        if page is not None and page.status_code == 303 and self._shows(who, nth) == "input":
            self._posts(who, f"/connect/{self.visits[who][nth]}/input", once=form)

    def _shows(self, who: str, nth: int) -> str:
        page = self._opens(who, f"/connect/{self.visits[who][nth]}")
        return Tab.of(who, "", page.text).view if page else ""

    @rule(nth=some)
    def opens_a_tab(self, nth: int) -> None:
        """Of a visit that asks something, if there is one."""
        asking = self.promises.visits_that_ask() or [(name, refs[0], "") for name, refs in self.visits.items()]
        who, visit, _ = asking[nth % len(asking)]
        self._opens_a_tab(who, visit)

    def _opens_a_tab(self, who: str, visit: str) -> None:
        page = self._opens(who, f"/connect/{visit}")
        if page is not None and (tab := Tab.of(who, visit, page.text)).prompt:
            self.tabs.append(tab)

    @precondition(lambda self: self.tabs)
    @rule(nth=some)
    def answers(self, nth: int) -> None:
        """In the tab opened last, or in any other, however old."""
        tab = self.tabs[-1 - nth % len(self.tabs)]
        self.scene.wire.typing = tab
        answers = {field: self._types() for field in tab.fields}
        self._posts(tab.who, f"/connect/{tab.visit}/answer", prompt=tab.prompt, **answers)
        self.scene.wire.typing = None

    @precondition(lambda self: self.promises.visits_that_ask())
    @rule(nth=some, question=st.sampled_from(QUESTIONS), again=st.booleans(), is_heard=st.booleans())
    def the_site_asks_while_somebody_types(
        self, nth: int, question: dict[str, Any], again: bool, is_heard: bool
    ) -> None:
        """The answer is for the question before, whether we have heard of the new one or not."""
        asking = self.promises.visits_that_ask()
        who, visit, run = asking[nth % len(asking)]
        self._opens_a_tab(who, visit)
        self._asks_at(run, question, again)
        if is_heard:
            self.all_webhooks_arrive(order=0, are_read=True)
        if self.tabs:
            self.answers(nth=0)

    @rule(
        nth=some,
        arm=st.sampled_from(ARMS),
        fate=st.sampled_from(FATES),
        skip=st.integers(0, 1),
        is_long=st.booleans(),
    )
    def signs_in_on_a_bad_line(self, nth: int, arm: str, fate: str, skip: int, is_long: bool) -> None:
        """Where nobody has yet. Either the sign-in or the run comes to grief, and is looked after later."""
        everywhere = [(who, nth) for who in PEOPLE for nth in range(len(SOURCES))]
        begun = self.promises.visits_begun()
        where = [(who, nth) for who, nth in everywhere if self.visits[who][nth] not in begun] or everywhere
        times = 1 if fate.startswith("we die") else 6 if is_long else 3
        self.scene.wire.trouble = Trouble(fate, times, not is_long, skip)
        self._signs_in(*where[nth % len(where)], arm, f"form-{self.typed}")
        self.scene.wire.trouble = None
        self.scene.passes(31)
        self._or_dies(self.scene.worker.do_due)

    @rule(who=who, nth=which, what=st.sampled_from(("stop", "again", "leave", "other")))
    def presses(self, who: str, nth: int, what: str) -> None:
        self._posts(who, f"/connect/{self.visits[who][nth]}/{what}", once=f"form-{self.typed}")

    @precondition(lambda self: self._connections())
    @rule(nth=some, what=st.sampled_from(("refresh", "reconnect", "disconnect")), fate=st.sampled_from(("", *FATES)))
    def at_a_connection(self, nth: int, what: str, fate: str) -> None:
        theirs = self._connections()
        who, ref = theirs[nth % len(theirs)]
        self.scene.wire.trouble = Trouble(fate, 1 if fate.startswith("we die") else 3, True) if fate else None
        page = self._posts(who, f"/connections/{ref}/{what}")
        visit = page.headers.get("Location", "") if page is not None else ""
        if visit.startswith("/connect/"):
            self.visits[who][nth % len(SOURCES)] = visit.rpartition("/")[2]

    def _connections(self) -> list[tuple[str, str]]:
        return [(name, ref) for name in PEOPLE for ref in self.promises.refs("connection", name)]

    @rule(who=who, nth=some, what=st.sampled_from(("connect_session", "connection")))
    def looks_at_what_belongs_to_the_other(self, who: str, nth: int, what: str) -> None:
        theirs = self.promises.refs(what, "kim" if who == "robin" else "robin")
        if theirs:
            room = "connect" if what == "connect_session" else "connections"
            page = self._opens(who, f"/{room}/{theirs[nth % len(theirs)]}")
            assert page is None or page.status_code in (404, 302), f"I7 somebody else's page: {page.status_code}"

    # --- Deck ----------------------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 3))
    def deck_goes_on(self, steps: int) -> None:
        self._goes_on(steps=steps)

    @rule()
    def deck_goes_on_until_it_stops(self) -> None:
        self._goes_on(until_it_stops=True)

    def _goes_on(self, *, steps: int = 0, until_it_stops: bool = False) -> None:
        stops = {f"task_run.{status}" for status in STOPS} if until_it_stops else set()
        end = self.world.clock.now + SECONDS
        count = {"count": steps} if steps else {}
        self.scene.truly(end, stop=lambda event: event["type"] in stops, until_idle=True, **count)

    @rule(nth=some, question=st.sampled_from(QUESTIONS), again=st.booleans())
    def the_site_asks(self, nth: int, question: dict[str, Any], again: bool) -> None:
        """Something new, or the same once more because the answer was wrong."""
        open_runs = [r["id"] for r in self.world.stores["task_runs"].values() if r["status"] in ("running", STOPS[0])]
        if open_runs:
            self._asks_at(open_runs[nth % len(open_runs)], question, again)

    def _asks_at(self, run: str, question: dict[str, Any], again: bool) -> None:
        self._happens("task_run.interaction_rejected", {"task_run_id": run})
        if not again:
            self._happens("task_run.interaction_required", {"task_run_id": run, "interaction": question})

    @rule(kind=some, nth=some)
    def the_world_intervenes(self, kind: int, nth: int) -> None:
        """With something that can happen now."""
        possible = self.world.world_events.next()["data"]
        kinds = [what for what in HAPPENINGS if any(one["event"] == what for one in possible)]
        if kinds:
            what = kinds[-1 - kind % len(kinds)]
            examples = [one["example"] for one in possible if one["event"] == what]
            self._happens(what, examples[nth % len(examples)])

    def _happens(self, what: str, data: dict[str, Any]) -> None:
        try:
            self.world.world_events.trigger(what, data)
        except ControlError as impossible:
            assert impossible.code == "precondition_failed", impossible
        self.scene.deliverer.drain()  # into the hands of whoever holds the post

    # --- the post ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.post.waiting)
    @rule(nth=some)
    def one_webhook_arrives(self, nth: int) -> None:
        self.post.delivers([self.post.waiting[nth % len(self.post.waiting)]])

    @precondition(lambda self: self.post.waiting)
    @rule(order=st.integers(0, 5), are_read=st.booleans())
    def all_webhooks_arrive(self, order: int, are_read: bool) -> None:
        self.post.delivers_in_order(order)
        if are_read:
            self._or_dies(self.scene.worker.step)

    @rule()
    def webhooks_arrive_backwards(self) -> None:
        """Deck goes on until it stops; what happened last is acted on before we hear of what was before it."""
        self._goes_on(until_it_stops=True)
        for id in reversed(list(self.post.waiting)):
            self.post.delivers([id])
            for step in (self.scene.worker.read_inbox, self.scene.worker.do_due):
                self._or_dies(step)
                self.promises.hold()

    @precondition(lambda self: self.post.arrived)
    @rule(nth=some)
    def a_webhook_arrives_again(self, nth: int) -> None:
        self.post.repeats(nth)

    @precondition(lambda self: self.post.waiting)
    @rule(nth=some, every=st.booleans())
    def webhooks_get_lost(self, nth: int, every: bool) -> None:
        waiting = self.post.waiting
        self.post.loses(list(waiting) if every else [waiting[nth % len(waiting)]])

    @precondition(lambda self: self.post.waiting)
    @rule(nth=some, how=st.sampled_from(("invalid", "missing", "body_tampered")))
    def a_webhook_is_forged(self, nth: int, how: str) -> None:
        self.post.delivers([self.post.waiting[nth % len(self.post.waiting)]], signature=how)

    # --- us ------------------------------------------------------------------------------------------------

    @rule(what=st.sampled_from(("all", "inbox", "due")))
    def our_worker_works(self, what: str) -> None:
        worker = self.scene.worker
        self._or_dies({"all": worker.step, "inbox": worker.read_inbox, "due": worker.do_due}[what])

    @rule(seconds=st.sampled_from(SPANS))
    def time_passes(self, seconds: int) -> None:
        self.scene.passes(seconds)

    @rule(fate=st.sampled_from(FATES), times=st.sampled_from((1, 3)), only_writes=st.booleans())
    def the_line_is_bad(self, fate: str, times: int, only_writes: bool) -> None:
        self.scene.wire.trouble = Trouble(fate, 1 if fate.startswith("we die") else times, only_writes)

    @rule(later=st.sampled_from((0, 31)), new_secret=st.sampled_from(("none", "none", "first ours", "first Deck's")))
    def we_start_again(self, later: int, new_secret: str) -> None:
        """Now and then because the webhook's secret is another one, which Deck may know before us or after."""
        secret = self.scene.new_secret() if new_secret != "none" else ""
        if new_secret != "first Deck's":
            self.scene.boot()
        for destination in self.world.stores["event_destinations"].values() if secret else ():
            self.world.events.rotate(destination, secret, timedelta(hours=24))
        if new_secret == "first Deck's":
            self.scene.boot()
        self.scene.passes(later)

    # --- what must hold ------------------------------------------------------------------------------------

    @invariant()
    def they_are_kept(self) -> None:
        self.promises.hold()

    def teardown(self) -> None:
        """The line is good again, no webhook ever comes: everything finds its end all the same."""
        try:
            self.scene.wire.trouble = None
            self.settle()
            self.promises.all_is_well()
        finally:
            self.promises.close()
            self.scene.end()

    def settle(self) -> None:
        for minutes in (6, 6, 35, 6, 60, 24 * 60, 60, 60):
            self.scene.passes(60 * minutes)
            self.post.loses(list(self.post.waiting))
            for _ in range(10):
                if not self.scene.worker.step():
                    break
            self.promises.hold()
            if self.promises.is_settled():
                break  # six minutes are enough: Deck's list of events is read every five

    # --- the small things ----------------------------------------------------------------------------------

    def _types(self) -> str:
        self.typed += 1
        return f"{CANARY}-{self.typed}"

    def _opens(self, who: str, path: str) -> TestResponse | None:
        return self._asks(who, lambda: self.scene.opens(who, path))

    def _posts(self, who: str, path: str, **fields: str) -> TestResponse | None:
        return self._asks(who, lambda: self.scene.posts(who, path, **fields))

    def _asks(self, who: str, call: Callable[[], TestResponse]) -> TestResponse | None:
        """The answer to a request; None if we died over it."""
        page = self._or_dies(call)
        if page is None:
            return None
        if page.status_code == 401 or page.headers.get("Location", "").startswith("/sign-in"):
            self.scene.comes_back(who)
            page = self._or_dies(call)
        if page is not None:
            assert page.status_code in PAGES, f"I10 {who} got a {page.status_code}"
            other = "kim" if who == "robin" else "robin"
            assert username_of(other) not in page.text, f"I7 {who} sees what belongs to {other}"
        return page

    def _or_dies(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except PowerCut:
            self.scene.boot()
            return None
