"""World events: what happens outside the API, each only in the states that allow it.

They are causes, not effects: no event of Deck's can be named here unless something in the world brings it about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from .branches import ARMS, error_elements
from .clock import Timer, moment
from .errors import ControlError
from .files import capture, check_file
from .objects import KINDS, Object
from .outcomes import ANY_CODE
from .pinnable import check_interaction

if TYPE_CHECKING:
    from .world import World

HINT = "GET /__admin__/world/next lists what can happen now"
LADDER = ("learning", "test", "live")
"""The statuses a task climbs."""


@dataclass(frozen=True)
class WorldEvent:
    """One row of the table of causes."""

    kind: str
    """The kind of its subject, whose id `data` carries as `<word>_id`."""
    states: tuple[str, ...]
    """The statuses in which it can happen."""
    happen: Callable[[World, Object, Object], None]
    example: Object
    """What `data` may hold besides the id, as `next` shows it."""
    optional: tuple[str, ...] = ()


MOVING = [kind for kind in KINDS if kind not in ("events", "event_deliveries")]
"""The kinds whose objects an event of the world can move."""


class WorldEvents:
    """Lets the world act, and knows what it could do now. Whoever calls it holds the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._count = 0

    def trigger(self, event: object, data: Object | None = None) -> Object:
        """Let *event* happen; what moved and what events came of it. 409 `precondition_failed` if it cannot."""
        world, data = self.world, data or {}
        row = self._row(event)
        name = f"{KINDS[row.kind].word}_id"
        _check_fields(str(event), row, name, data)
        subject = self._subject(str(event), row, name, data)
        before = {kind: {id: _status(world, kind, item) for id, item in world.stores[kind].items()} for kind in MOVING}
        seen = len(world.stores["events"])
        with world.events.because("world_event", str(event)):
            row.happen(world, subject, data)
        self._count += 1
        applied = [
            {"kind": KINDS[kind].word, "id": id, "from": before[kind].get(id), "to": _status(world, kind, item)}
            for kind in MOVING
            for id, item in world.stores[kind].items()
            if _status(world, kind, item) != before[kind].get(id)
        ]
        return {
            "id": f"wev_{self._count:04d}",
            "event": event,
            "now": moment(world.clock.now),
            "applied": applied,
            "events": [{"id": e["id"], "type": e["type"]} for e in world.events.history.since(seen)],
        }

    def next(self) -> Object:
        """What can happen now, each with data that would make it happen, and the timers."""
        return {"data": list(self._possible()), "timers": [self._timer(t) for t in self.world.clock.timers]}

    def _row(self, event: object) -> WorldEvent:
        if not isinstance(event, str) or event not in WORLD_EVENTS:
            near = get_close_matches(str(event), WORLD_EVENTS, n=3, cutoff=0.4)
            raise ControlError(
                422,
                "unknown_event",
                f"the world knows no event {event!r}",
                hint=f"did you mean {', '.join(near)}?" if near else HINT,
                known=list(WORLD_EVENTS),
            )
        return WORLD_EVENTS[event]

    def _subject(self, event: str, row: WorldEvent, name: str, data: Object) -> Object:
        word = KINDS[row.kind].word
        subject = self.world.find(row.kind, data.get(name))
        actual = _status(self.world, row.kind, subject) if subject else None
        if subject and actual in row.states:
            return subject
        found = f"is {actual}" if subject else "does not exist"
        raise ControlError(
            409,
            "precondition_failed",
            f"{word} {data.get(name)} {found}; needs {' or '.join(row.states)}",
            hint=HINT,
            event=event,
            requires={"status": list(row.states)},
            actual={"status": actual},
        )

    def _possible(self) -> Iterator[Object]:
        for event, row in WORLD_EVENTS.items():
            word = KINDS[row.kind].word
            for id, item in self.world.stores[row.kind].items():
                status = _status(self.world, row.kind, item)
                unasked = event == "task_run.interaction_rejected" and not _answerable(item)
                if status not in row.states or unasked:
                    continue
                example = {f"{word}_id": id, **row.example}
                if event == "task.promoted":
                    example["status"] = LADDER[LADDER.index(status) + 1]
                yield {"event": event, "subject": {"kind": word, "id": id}, "example": example}

    def _timer(self, timer: Timer) -> Object:
        shown, fires = TIMERS.get(timer.name, (timer.name, ()))
        run = self.world.find("task_runs", timer.args.get("run_id"))
        if timer.name == "runs.settle" and run:
            fires = ("task_run.review_required",) if run.get("_review") else (f"task_run.{_ending(run)}",)
        kind, id = next(
            ((key.removesuffix("_id"), value) for key, value in timer.args.items() if key.endswith("_id")),
            ("world", None),
        )
        kind = {"run": "task_run", "delivery": "event_delivery"}.get(kind, kind)
        due = moment(timer.due_at)
        return {"name": shown, "subject": {"kind": kind, "id": id}, "due_at": due, "fires": list(fires)}


# --- what can be said about it ---------------------------------------------------------------------------------


def _check_fields(event: str, row: WorldEvent, name: str, data: Object) -> None:
    known = [name, *row.example, *row.optional]
    for given in data:
        if given not in known:
            raise ControlError(422, "unknown_field", f"{event} has no field {given!r}", hint=f"known: {known}")
    for needed in [name, *row.example]:
        if needed not in data and needed not in row.optional:
            raise ControlError(422, "unknown_field", f"{event} needs {needed}", hint=f"known: {known}")
    for word, value in data.items():
        kind = {"approve": bool, "interaction": dict, "errors": list}.get(word, str)
        if word != "output" and not isinstance(value, kind):
            raise ControlError(422, "unknown_field", f"{word} cannot be {value!r}", hint=f"a {kind.__name__}")


def _status(world: World, kind: str, item: Object) -> str:
    """The status of an object; a source has the one of the website behind it."""
    return world.sites.status(item) if kind == "sources" else str(item.get("status"))


def _answerable(run: Object) -> bool:
    """Whether a rejection makes sense: the run is paused, or an answer is being checked."""
    return run["status"] == "interaction_required" or "_answer" in run


def _ending(run: Object) -> str:
    return "completed" if run.get("_arm", "completed") == "completed" else "failed"


# --- what happens ----------------------------------------------------------------------------------------------


def _ask(world: World, run: Object, data: Object) -> None:
    check_interaction(data["interaction"])
    world.runs.pause(run, data["interaction"])


def _reject(world: World, run: Object, data: Object) -> None:
    if not _answerable(run):
        raise ControlError(
            409,
            "precondition_failed",
            f"task_run {run['id']} is running and has no answer to check",
            hint=HINT,
            event="task_run.interaction_rejected",
            requires={"status": ["interaction_required"], "or": "an answer being checked"},
            actual={"status": "running"},
        )
    world.runs.reject(run, data.get("message"))


def _expire(world: World, run: Object, data: Object) -> None:
    world.runs.on_expire(run["id"], run["_asked"])


def _review(world: World, run: Object, data: Object) -> None:
    world.runs.review(run)


def _resolve_review(world: World, run: Object, data: Object) -> None:
    """Approved, it goes on to its own end; refused, it fails."""
    world.runs.finish(run, None if data["approve"] else "failed")


def _finish(world: World, run: Object, data: Object) -> None:
    """Given values are pins on this one run, so the rules for pins hold for them."""
    settling = [name for name, arm in ARMS.items() if "status" in arm]
    arm = data.get("branch") or ("failed" if "errors" in data else "completed" if "output" in data else None)
    if arm is not None and arm not in settling:
        raise ControlError(422, "unknown_arm", f"no arm {arm!r} settles a run", hint=", ".join(settling), arms=settling)
    wrong = "errors" if arm == "completed" else "output"
    if wrong in data:
        raise ControlError(422, "illegal_override", f"a run that ends {arm} has no {wrong}")
    for path in ("output", "errors"):
        if path in data:
            match = {"id": run["id"], "task_id": run["task_id"]}
            world.pins.add({"on": "task_run", "match": match, "path": path, "value": data[path], "mode": "once"})
    world.runs.finish(run, arm)


def _block(world: World, run: Object, data: Object) -> None:
    world.runs.finish(run, "blocked")


def _reject_credential(world: World, credential: Object, data: Object) -> None:
    """Runs at work with it fail; those that wait their turn will find out when they sign in."""
    world.credentials.refuse(credential)
    errors = [{**one, "message": data.get("reason", one["message"])} for one in error_elements("auth_invalid")]
    for run in list(world.stores["task_runs"].values()):
        if run["credential_id"] == credential["id"] and run["status"] == "running":
            _finish(world, run, {"branch": "auth_invalid", **({"errors": errors} if "reason" in data else {})})


def _accept_credential(world: World, credential: Object, data: Object) -> None:
    world.credentials.accept(credential)


def _down(world: World, source: Object, data: Object) -> None:
    world.sites.switch(source, "down")


def _up(world: World, source: Object, data: Object) -> None:
    world.sites.switch(source, "up")


def _lose_session(world: World, session: Object, data: Object) -> None:
    world.runs.lose_session(session)


def _capture(world: World, run: Object, data: Object) -> None:
    file = {"content_base64": "", **{name: data[name] for name in data if name != "task_run_id"}}
    check_file(file)
    capture(world, run, file)


def _promote(world: World, task: Object, data: Object) -> None:
    climbing = list(LADDER[LADDER.index(task["status"]) + 1 :])
    if data["status"] not in climbing:
        raise ControlError(
            409,
            "precondition_failed",
            f"task {task['id']} is {task['status']}; it can only become {' or '.join(climbing)}",
            hint=HINT,
            event="task.promoted",
            requires={"status": list(LADDER[:-1])},
            actual={"status": task["status"]},
        )
    world.touch(task, status=data["status"])
    world.events.emit("task.updated", "tasks", task)


def _disable(world: World, destination: Object, data: Object) -> None:
    world.events.set_status(destination, "inactive")


RUNNING = ("running",)
PAUSED = ("interaction_required",)
FILE: Object = {"file_name": "bill.txt", "file_type": "text/plain"}
ASKING: Object = {"interaction": ANY_CODE}

WORLD_EVENTS = {
    "task_run.interaction_required": WorldEvent("task_runs", RUNNING, _ask, ASKING),
    "task_run.interaction_rejected": WorldEvent("task_runs", (*PAUSED, *RUNNING), _reject, {}, ("message",)),
    "task_run.interaction_expired": WorldEvent("task_runs", PAUSED, _expire, {}),
    "task_run.review_required": WorldEvent("task_runs", RUNNING, _review, {}),
    "task_run.review_resolved": WorldEvent("task_runs", ("review_required",), _resolve_review, {"approve": True}),
    "task_run.finished": WorldEvent("task_runs", RUNNING, _finish, {}, ("branch", "output", "errors")),
    "task_run.blocked": WorldEvent("task_runs", RUNNING, _block, {}),
    "credential.rejected": WorldEvent(
        "credentials", ("unverified", "verified", "invalid"), _reject_credential, {}, ("reason",)
    ),
    "credential.accepted": WorldEvent("credentials", ("unverified", "invalid"), _accept_credential, {}),
    "source.down": WorldEvent("sources", ("up",), _down, {}),
    "source.up": WorldEvent("sources", ("down",), _up, {}),
    "session.lost": WorldEvent("sessions", ("running", "idle"), _lose_session, {}),
    "storage.captured": WorldEvent("task_runs", RUNNING, _capture, FILE, ("content_base64",)),
    "task.promoted": WorldEvent("tasks", LADDER[:-1], _promote, {"status": "live"}),
    "event_destination.disabled": WorldEvent("event_destinations", ("active",), _disable, {}),
}
"""Every world event. The order is the one in which `next` lists them."""

TIMERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "runs.begin": ("run_queue", ("task_run.running",)),
    "runs.sign_in": ("auth", ()),
    "runs.check_answer": ("answer_check", ()),
    "runs.settle": ("run_settle", ("task_run.completed",)),
    "runs.expire": ("interaction_window", ("task_run.failed",)),
    "runs.review_passed": ("review_window", ("task_run.completed",)),
    "runs.time_out": ("run_timeout", ("task_run.failed",)),
    "runs.finish_cancel": ("cancel_settle", ("task_run.canceled",)),
    "runs.session_close": ("session_idle_close", ("session.completing", "session.completed")),
    "events.delivery_due": ("delivery_retry", ()),
}
"""The timers under the names of their durations, and the events they bring."""
