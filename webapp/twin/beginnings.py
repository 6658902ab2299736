"""Where runs come from: asked for through the API, or seeded amid their work."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .clock import moment, parse_moment
from .errors import VendorError
from .objects import Object
from .outcomes import ANY_CODE, task_of

if TYPE_CHECKING:
    from .world import World


def begun(
    world: World,
    task: Object,
    *,
    credential: Object | None,
    source: Object | None,
    input: Any,
    session: Object | None,
) -> Object:
    """A queued run in a new session, or in *session*; 429 where the site takes no more runs for now."""
    site = world.sites.of(source)
    if site and site["refuses_runs"] > 0:
        site["refuses_runs"] -= 1
        raise VendorError(429, "rate_limit", "session_limit_exceeded", "Agent sandbox limit exceeded.")
    session = session or world.runs.sessions.new()
    return world.add(
        "task_runs",
        {
            "status": "queued",
            "result": None,
            "task_id": task["id"],
            "credential_id": credential and credential["id"],
            "session_id": session["id"],
            "workflow_id": None,
            "agent_id": task["agent_id"],
            "source_id": source and source["id"],
            "runtime_ms": 0,
            "input": input,
            "output": None,
            "storage": [],
            "errors": [],
            "interaction": None,
            "canceled_at": None,
            "_pace": world.sites.known(site, credential).get("durations", {}),
            "_asked": 0,
        },
    )


NEXT = {
    "queued": ("run_queue", "begin"),
    "running": ("auth", "sign_in"),
    "review_required": ("review_window", "review_passed"),
    "cancelling": ("cancel_settle", "finish_cancel"),
}
"""What a run in each status waits for: the duration and the step after it."""


def resume(world: World, run: Object) -> None:
    """Give a seeded run the timers it would have now; nothing for one that is over.

    A running one has its sign-in before it. Its timeout counts from when it was created, all other waits from now.
    """
    runs, status = world.runs, run["status"]
    if status not in (*NEXT, "interaction_required"):
        return
    _give_session(world, run)
    if status != "queued":
        worked = timedelta(milliseconds=run["runtime_ms"])
        run["_began"] = moment(world.clock.now - worked)
    if status == "running":
        del run["_arm"]
    if status == "review_required":
        run["_worked"] = True
    if status == "interaction_required":
        run["interaction"] = run["interaction"] or dict(ANY_CODE)
        run["_rounds"] = run["_rounds"] or [run["interaction"]]
        runs.await_answer(run)
    else:
        runs.later(run, *NEXT[status])
    if status not in ("review_required", "cancelling"):
        over = parse_moment(run["created_at"]) + runs.limit(task_of(world, run))
        world.clock.after(max(timedelta(0), over - world.clock.now), "runs.time_out", run_id=run["id"])


def resume_session(world: World, session: Object) -> None:
    """An idle session closes when it has idled long enough; a running one counts its time again."""
    if session["status"] == "running":
        session["_running_since"] = moment(world.clock.now)
    if session["status"] == "idle":
        over = parse_moment(session["updated_at"]) + world.clock.span("session_idle_close")
        wait, idle_since = max(timedelta(0), over - world.clock.now), session["updated_at"]
        world.clock.after(wait, "runs.session_close", session_id=session["id"], idle_since=idle_since)


def _give_session(world: World, run: Object) -> None:
    """A run works in a session: one without gets its own."""
    if world.find("sessions", run["session_id"]):
        return
    session = world.runs.sessions.new()
    session["status"] = "queued" if run["status"] == "queued" else "running"
    run["session_id"] = session["id"]
    world.runs.sessions.link(session, run)
    resume_session(world, session)
