"""Runs, and the files and screenshots they bring."""

from __future__ import annotations

import copy

from flask import request

from .. import screenshots
from ..bodies import Body, check_against
from ..errors import VendorError
from ..lists import between, filtered, latest, page
from ..objects import Object, rest_view
from ..vendor import Answer, Call, operation


@operation("task_runs.create", "POST", "/tasks/<id>/run")
def run_task(call: Call) -> Answer:
    """A run needs all it works with: a task whose agent was deleted stays readable, but it cannot run any more."""
    task = call.find("tasks", call.args["id"], as_="task")
    call.find("agents", task["agent_id"], as_="agent")
    body = Body(call.raw)
    ids = {name: body.text(name) for name in ("credential_id", "source_id", "session_id", "request_id")}
    if not ids["credential_id"] and not ids["source_id"]:
        body.complain("source_id", "Either credential_id or source_id is required.")
    body.check()
    credential = source = session = None
    if ids["credential_id"]:
        credential = call.find("credentials", ids["credential_id"], as_="credential")
        if credential["status"] == "deleted":
            raise VendorError(404, "request", "credential_not_found", "No such credential.")
    source_id = credential["source_id"] if credential else ids["source_id"]
    source = call.find("sources", source_id, as_="source")
    if ids["session_id"]:
        session = reusable(call, call.find("sessions", ids["session_id"], as_="session"), source["id"])
    check_against(task["input_schema"], body.given.get("input"), "input")
    run = call.world.runs.start(
        task, credential=credential, source=source, input=body.given.get("input"), session=session
    )
    return 201, run_view(call, run, ["input"])


def reusable(call: Call, session: Object, source_id: str) -> Object:
    """A session can be used again while it is open and for the same source."""
    inside = [call.world.find("task_runs", link["id"]) for link in session["task_runs"]]
    sources = {run["source_id"] for run in inside if run}
    if session["status"] not in ("queued", "running", "idle") or source_id not in sources:
        raise VendorError(422, "session", "session_not_available", "The session cannot be used for this run.")
    return session


@operation("task_runs.list", "GET", "/task-runs")
def list_runs(call: Call) -> Answer:
    names = ("source_id", "agent_id", "credential_id", "task_id", "workflow_id")
    wanted = {name: call.filter(name) for name in names}
    wanted["status"] = ["cancelling" if s == "canceling" else s for s in call.filter("status")]
    wanted["result"] = call.filter("outcome")
    runs = between(
        call.world.columns.newest_first(call.world.stores["task_runs"], wanted, until=latest()),
        request.args.get("created_after"),
        request.args.get("created_before"),
    )
    return 200, page(runs, lambda run: run_view(call, run, []))


@operation("task_runs.get", "GET", "/task-runs/<id>")
def get_run(call: Call) -> Answer:
    run = call.find("task_runs", call.args["id"], as_="task_run")
    return 200, run_view(call, run, call.filter("include"))


def run_view(call: Call, run: Object, include: list[str]) -> Object:
    """`input` and `storage` are there but empty unless included; screenshots only when asked for."""
    shown = rest_view("task_runs", run)
    if "input" not in include:
        shown["input"] = None
    kept = shown["storage"] if "storage" in include else []
    items = {file["id"]: call.world.find("storage", file["id"]) for file in kept}
    shown["storage"] = [
        {**file, "url": signed_link(call, file["id"]), "extraction": copy.deepcopy(item.get("extraction"))}
        for file in kept
        if (item := items[file["id"]])
    ]
    if "screenshots" in include:
        shown["screenshots"] = [screenshot_view(call, s) for s in screenshots.of_run(call.world, run)]
    if "artifacts" in include:
        fields = ("file_name", "file_type", "file_size")
        shown["artifacts"] = {
            "screenshots": [
                {**{name: s[name] for name in fields}, **screenshot_view(call, s)}
                for s in screenshots.of_run(call.world, run)
            ]
        }
    return shown


@operation("task_runs.interaction", "POST", "/task-runs/<id>/interaction")
def answer_interaction(call: Call) -> Answer:
    run = call.find("task_runs", call.args["id"], as_="task_run")
    body = Body(call.raw)
    given = body.object("input", required=True)
    body.check()
    if run["status"] != "interaction_required":
        raise VendorError(409, "interaction", "interaction_not_required", "The run is not waiting for an answer.")
    given = given or {}
    asked = [field["name"] for field in run["interaction"]["fields"]]
    for name in asked:
        if name not in given:
            body.complain(f"input.{name}", "is required")
    for name in given:
        if name not in asked:
            body.complain(f"input.{name}", "was not asked for")
    body.check()
    return 200, run_view(call, call.world.runs.answer(run, given), [])


@operation("task_runs.cancel", "POST", "/task-runs/<id>/cancel")
def cancel_run(call: Call) -> Answer:
    run = call.find("task_runs", call.args["id"], as_="task_run")
    return 200, run_view(call, call.world.runs.cancel(run), [])


@operation("task_runs.storage", "GET", "/task-runs/<id>/storage")
def list_run_storage(call: Call) -> Answer:
    run = call.find("task_runs", call.args["id"], as_="task_run")
    files = filtered(call.world.newest_first("storage"), {"task_run_id": [run["id"]]})
    return 200, page(files, lambda item: storage_view(call, item))


@operation("task_runs.screenshots", "GET", "/task-runs/<id>/screenshots")
def list_screenshots(call: Call) -> Answer:
    run = call.find("task_runs", call.args["id"], as_="task_run")
    shots = screenshots.of_run(call.world, run)
    return 200, page(shots, lambda shot: screenshot_view(call, shot), oldest_first=True)


@operation("storage.get", "GET", "/storage/<id>")
def get_storage(call: Call) -> Answer:
    return 200, storage_view(call, call.find("storage", call.args["id"], as_="storage"))


def storage_view(call: Call, item: Object) -> Object:
    """With `fetch_date`, which only one vintage of the documents has: when the file was fetched."""
    return {**rest_view("storage", item), "url": signed_link(call, item["id"]), "fetch_date": item["created_at"]}


def screenshot_view(call: Call, shot: Object) -> Object:
    return {"url": signed_link(call, shot["id"]), "reasoning": shot["reasoning"], "created_at": shot["created_at"]}


def signed_link(call: Call, id: str) -> str:
    """A fresh link to a file that stops working after `link_ttl`."""
    expires = int((call.world.clock.now + call.world.clock.span("link_ttl")).timestamp())
    signature = link_signature(call, id, expires)
    return f"{request.host_url}files/{id}?expires={expires}&signature={signature}"


def link_signature(call: Call, id: str, expires: int) -> str:
    return call.world.derive.digest("link", call.world.admin_key, id, expires).hex()
