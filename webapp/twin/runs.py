"""The life of a run and of the session it works in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from .beginnings import begun
from .branches import ARMS, error_elements
from .clock import duration, moment, parse_moment
from .errors import VendorError
from .objects import Object
from .outcomes import bring_files, decide, errors_of, first_questions, next_questions, output_of, result_of, task_of
from .pinnable import PUBLIC_INTERACTION
from .pins import Unbindable
from .sessions import OVER, Sessions

if TYPE_CHECKING:
    from .world import World

CANCELABLE = ("queued", "running", "interaction_required", "review_required")

P = ParamSpec("P")
Step = Callable[Concatenate["Runs", Object, P], None]


def needing_pins(step: Step[P]) -> Step[P]:
    """A step that fails the run with `task_failed` where a pin cannot give what it should."""

    @wraps(step)
    def guarded(runs: Runs, run: Object, /, *args: P.args, **named: P.kwargs) -> None:
        try:
            step(runs, run, *args, **named)
        except Unbindable:
            runs.settle(run, "failed", "failure", error_elements("failed"))

    return guarded


class Runs:
    """Moves runs along: queued, signing in, asked and answered, settled. Each step is a timer or a call."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions = Sessions(world)

    # --- what the API does ---------------------------------------------------------------------------------

    def start(
        self,
        task: Object,
        *,
        credential: Object | None,
        source: Object | None,
        input: Any,
        session: Object | None,
    ) -> Object:
        """A queued run in a new session, or in *session* when one is reused."""
        run = begun(self.world, task, credential=credential, source=source, input=input, session=session)
        self.sessions.join(self.world.stores["sessions"][run["session_id"]], run)
        self.world.events.emit("task_run.queued", "task_runs", run)
        self.later(run, "run_queue", "begin")
        self.world.clock.after(self.limit(task), "runs.time_out", run_id=run["id"])
        return run

    def end_session(self, session: Object) -> None:
        """Close it, cancelling what still runs in it."""
        self.sessions.end(session)
        for link in session["task_runs"]:
            run = self.world.find("task_runs", link["id"])
            if run and run["status"] in CANCELABLE:
                self.cancel(run)

    def answer(self, run: Object, given: Object) -> Object:
        """Take an answer; the site looks at it a moment later."""
        run["_answer"] = given
        if not run["_rounds"]:  # seeded while it was paused
            run["_rounds"] = [run["interaction"]]
        self._pause_over(run)
        self._move(run, "running", interaction=None)
        self.later(run, "answer_check", "check_answer")
        return run

    def cancel(self, run: Object) -> Object:
        """On its way to `canceled`; 409 when it is over already."""
        if run["status"] not in CANCELABLE:
            raise VendorError(409, "request", "task_run_not_cancelable", f"The run is {run['status']}.")
        self.world.clock.drop(run_id=run["id"])
        self._move(run, "cancelling", event="canceling", interaction=None)
        self.later(run, "cancel_settle", "finish_cancel")
        return run

    # --- what the world outside does (world_events.py checks first whether it can) -------------------------------

    def pause(self, run: Object, interaction: Object) -> None:
        """The site asks for something now; what it was about to do comes after the answer."""
        self.world.clock.drop(run_id=run["id"], but="runs.time_out")
        run["_rounds"] = [copy.deepcopy(interaction), *run.get("_rounds", [])]
        self._ask_next(run)

    def reject(self, run: Object, message: str | None) -> None:
        """The answer being checked, or one given elsewhere, was wrong: it counts as an attempt."""
        self.world.clock.drop(run_id=run["id"], but="runs.time_out")
        run.pop("_answer", None)
        run["_rounds"] = run["_rounds"] or [run["interaction"]]
        asking = run["_rounds"][0]
        self._prompt_again(run, asking, message or asking.get("reject_message"))

    @needing_pins
    def review(self, run: Object) -> None:
        if "_arm" not in run:
            decide(self.world, run)
        run.pop("_review", None)
        self._into_review(run)

    @needing_pins
    def finish(self, run: Object, arm: str | None = None) -> None:
        """Settle it now, by *arm*, or as the site and the pins would have it."""
        if "_arm" not in run:
            decide(self.world, run)
        run["_arm"] = arm or run["_arm"]
        run.pop("_review", None)
        credential = self.world.find("credentials", run["credential_id"])
        if credential and run["_arm"] == "completed":
            self.world.credentials.accept(credential)
        if run["_arm"] == "timeout":
            self.on_time_out(run["id"])
        else:
            self._finish(run)

    def lose_session(self, session: Object) -> None:
        self.sessions.move(session, "failed")
        for link in session["task_runs"]:
            run = self.world.find("task_runs", link["id"])
            if run and run["status"] in CANCELABLE:
                self._fail(run, "failed")

    # --- what time does ------------------------------------------------------------------------------------

    def on_begin(self, run_id: str) -> None:
        run = self._live(run_id, "queued")
        if not run:
            return
        self.sessions.work(self.world.stores["sessions"][run["session_id"]])
        run["_began"] = moment(self.world.clock.now)
        self._move(run, "running")
        self.later(run, "auth", "sign_in")

    def on_sign_in(self, run_id: str) -> None:
        if run := self._live(run_id, "running"):
            self._sign_in(run)

    def on_check_answer(self, run_id: str) -> None:
        run = self._live(run_id, "running")
        if not run:
            return
        asking, given = run["_rounds"][0], run.pop("_answer")
        expected = asking.get("expect") or {}
        if all(str(given.get(name)).strip() == str(want) for name, want in expected.items()):
            run["_rounds"].pop(0)
            self._ask_next(run)
            return
        self._prompt_again(run, asking, asking.get("reject_message"))

    def _prompt_again(self, run: Object, asking: Object, message: str | None) -> None:
        asking["_wrong"] = asking.get("_wrong", 0) + 1
        if asking.get("on_reject") == "fail" or asking["_wrong"] >= asking.get("max_attempts", 3):
            self._fail(run, "auth_invalid")
            return
        asking["message"] = message or asking["message"]
        self._ask_next(run)

    def on_expire(self, run_id: str, asked: int) -> None:
        run = self._live(run_id, "interaction_required")
        if run and run["_asked"] == asked:
            error = {
                "type": "interaction",
                "code": "interaction_timeout",
                "message": "Nobody answered in time.",
            }
            self.settle(run, "failed", "failure", [error])

    def on_settle(self, run_id: str) -> None:
        run = self._live(run_id, "running")
        if not run:
            return
        if run.pop("_review", False):
            self._into_review(run)
        else:
            self._finish(run)

    def on_review_passed(self, run_id: str) -> None:
        if run := self._live(run_id, "review_required"):
            self._finish(run)

    def on_time_out(self, run_id: str) -> None:
        run = self.world.find("task_runs", run_id)
        if run and run["status"] not in (*OVER, "cancelling"):
            limit = self.limit(task_of(self.world, run))
            text = f"Task execution exceeded the timeout of {limit.total_seconds() / 60:g} minutes."
            self.settle(run, "failed", "failure", [{"type": "task", "code": "timeout", "message": text}])

    def on_finish_cancel(self, run_id: str) -> None:
        run = self._live(run_id, "cancelling")
        if run:
            run["canceled_at"] = moment(self.world.clock.now)
            self.settle(run, "canceled", "unknown", [])

    def on_session_close(self, session_id: str, idle_since: str) -> None:
        session = self.world.find("sessions", session_id)
        if session:
            self.sessions.close(session, idle_since=idle_since)

    # --- the steps between ---------------------------------------------------------------------------------

    def _into_review(self, run: Object) -> None:
        self.world.clock.drop(run_id=run["id"])  # it has finished working: its timeout no longer counts
        self._move(run, "review_required")
        run["_worked"] = True  # waiting for a review is no running time
        self.later(run, "review_window", "review_passed")

    @needing_pins
    def _sign_in(self, run: Object) -> None:
        """The moment of truth for a credential; what stands in the way is decided here."""
        arm = decide(self.world, run)
        if arm in ("auth_invalid", "blocked", "source_down", "source_blocked"):
            self._fail(run, arm)
            return
        run["_rounds"] = first_questions(self.world, run, arm)
        self._ask_next(run)

    @needing_pins
    def _ask_next(self, run: Object) -> None:
        if not run["_rounds"] and "_arm" not in run:  # asked before it had signed in
            self._sign_in(run)
            return
        run["_rounds"] = run["_rounds"] or next_questions(self.world, run)
        if not run["_rounds"]:
            self._signed_in(run)
            return
        asking = run["_rounds"][0]
        run["_asked"] += 1
        shown = {key: copy.deepcopy(asking[key]) for key in PUBLIC_INTERACTION}
        self._move(run, "interaction_required", interaction=shown)
        self.await_answer(run)

    def await_answer(self, run: Object) -> None:
        asking = run["_rounds"][0]
        window = duration(asking["window"]) if "window" in asking else self.world.clock.span("interaction_window")
        self.world.clock.after(window, "runs.expire", run_id=run["id"], asked=run["_asked"])

    def _pause_over(self, run: Object) -> None:
        self.world.clock.drop(run_id=run["id"], asked=run["_asked"])

    def _signed_in(self, run: Object) -> None:
        credential = self.world.find("credentials", run["credential_id"])
        if credential:
            self.world.credentials.accept(credential)
        if ARMS[run["_arm"]].get("after") != "run_timeout":
            self.later(run, "run_settle", "settle")

    @needing_pins
    def _finish(self, run: Object) -> None:
        if run["_arm"] != "completed":
            self._fail(run, run["_arm"])
            return
        bring_files(self.world, run)
        run["output"] = output_of(self.world, run)
        self.settle(run, "completed", result_of(self.world, run, "completed"), [])

    @needing_pins
    def _fail(self, run: Object, arm: str) -> None:
        credential = self.world.find("credentials", run["credential_id"])
        if credential and "credential.invalid" in ARMS[arm].get("also", []):
            self.world.credentials.refuse(credential)
        self.settle(run, "failed", result_of(self.world, run, arm), errors_of(self.world, run, arm))

    def settle(self, run: Object, status: str, result: str, errors: list[Object]) -> None:
        self.world.clock.drop(run_id=run["id"])
        if status != "completed":
            run["output"] = None
        self._move(run, status, result=result, errors=errors, interaction=None)
        self._forget_the_way(run)
        if session := self.world.find("sessions", run["session_id"]):
            self.sessions.leave(session)

    def _forget_the_way(self, run: Object) -> None:
        """What the twin remembers of a run that is over, besides what it shows: when it began."""
        kept = {key: value for key, value in run.items() if not key.startswith("_") or key == "_began"}
        run.clear()  # a dict never shrinks by itself, and there may be many of these
        run.update(kept)

    def _move(self, run: Object, status: str, *, event: str | None = None, **changes: Any) -> None:
        if "_began" in run and not run.get("_worked"):
            ran = self.world.clock.now - parse_moment(run["_began"])
            changes["runtime_ms"] = ran // timedelta(milliseconds=1)
        self.world.touch(run, status=status, **changes)
        self.world.events.emit(f"task_run.{event or status}", "task_runs", run)

    def limit(self, task: Object) -> timedelta:
        """How long its runs may take by the wall clock."""
        seconds = (task["settings"] or {}).get("timeout_seconds")
        return duration(seconds) if seconds else self.world.clock.span("run_timeout")

    def _live(self, run_id: str, status: str) -> Object | None:
        run = self.world.find("task_runs", run_id)
        return run if run and run["status"] == status else None

    def later(self, run: Object, name: str, verb: str) -> None:
        wait = duration(run["_pace"][name]) if name in run["_pace"] else self.world.clock.span(name)
        self.world.clock.after(wait, f"runs.{verb}", run_id=run["id"])
