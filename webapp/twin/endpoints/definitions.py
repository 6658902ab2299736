"""What is created once: agents, sources and tasks."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..bodies import Body
from ..clock import LONGEST
from ..errors import VendorError
from ..lists import filtered, page
from ..objects import Object, deletion, rest_view
from ..vendor import Answer, Call, operation


@operation("test.get", "GET", "/test")
def test(call: Call) -> Answer:
    return 200, {"status": "ready", "environment": "live"}


@operation("agents.create", "POST", "/agents")
def create_agent(call: Call) -> Answer:
    body = Body(call.raw)
    name, description = body.text("name", required=True), body.text("description")
    body.check()
    agent = call.world.add("agents", {"name": name, "description": description})
    call.world.events.emit("agent.created", "agents", agent)
    return 201, agent_view(call, agent)


@operation("agents.list", "GET", "/agents")
def list_agents(call: Call) -> Answer:
    return 200, page(call.world.newest_first("agents"), lambda agent: agent_view(call, agent))


@operation("agents.get", "GET", "/agents/<id>")
def get_agent(call: Call) -> Answer:
    return 200, agent_view(call, call.find("agents", call.args["id"], as_="agent"))


@operation("agents.update", "PATCH", "/agents/<id>")
def update_agent(call: Call) -> Answer:
    agent = call.find("agents", call.args["id"], as_="agent")
    body = Body(call.raw)
    changes: Object = {"name": body.text("name", default=agent["name"])}
    if "description" in body:
        changes["description"] = body.text("description")
    body.check()
    call.world.touch(agent, **changes)
    call.world.events.emit("agent.updated", "agents", agent)
    return 200, agent_view(call, agent)


@operation("agents.delete", "DELETE", "/agents/<id>")
def delete_agent(call: Call) -> Answer:
    """Its tasks stay readable but cannot run any more; runs on their way come to their end (ours)."""
    agent = call.find("agents", call.args["id"], as_="agent")
    return 200, delete(call, "agents", agent)


def delete(call: Call, kind: str, item: Object) -> Object:
    """Take it out of its store; the event shows it as it was."""
    del call.world.stores[kind][item["id"]]
    call.world.events.emit(f"{item['object']}.deleted", kind, item)
    return deletion(item)


def agent_view(call: Call, agent: Object) -> Object:
    tasks = [
        {"id": t["id"], "object": "task", "name": t["name"], "status": t["status"]}
        for t in call.world.stores["tasks"].values()
        if t["agent_id"] == agent["id"]
    ]
    return {**rest_view("agents", agent), "tasks": tasks}


@operation("sources.create", "POST", "/sources")
def create_source(call: Call) -> Answer:
    body = Body(call.raw)
    kind = body.choice("type", ("website",))
    if kind is None and "type" not in body.errors:
        body.complain("type", "The type field is required.")
    website, name = body.object("website", required=True) or {}, body.text("name")
    body.check()
    url = website_url(website)
    source = call.world.add("sources", {"name": name, "type": "website", "website": {"url": url}})
    call.world.events.emit("source.created", "sources", source)
    return 201, rest_view("sources", source)


@operation("sources.list", "GET", "/sources")
def list_sources(call: Call) -> Answer:
    return 200, page(call.world.newest_first("sources"), lambda s: rest_view("sources", s))


@operation("sources.get", "GET", "/sources/<id>")
def get_source(call: Call) -> Answer:
    return 200, rest_view("sources", call.find("sources", call.args["id"], as_="source"))


@operation("sources.update", "PATCH", "/sources/<id>")
def update_source(call: Call) -> Answer:
    source = call.find("sources", call.args["id"], as_="source")
    body = Body(call.raw)
    name, website = body.text("name", default=source["name"]), body.object("website")
    body.check()
    changes: Object = {"name": name}
    if website is not None:
        changes["website"] = {"url": website_url(website)}
    call.world.touch(source, **changes)
    call.world.events.emit("source.updated", "sources", source)
    return 200, rest_view("sources", source)


@operation("sources.delete", "DELETE", "/sources/<id>")
def delete_source(call: Call) -> Answer:
    """Its credentials stay readable but nothing can run with them; runs that have not signed in yet find it not
    available (ours)."""
    source = call.find("sources", call.args["id"], as_="source")
    return 200, delete(call, "sources", source)


def website_url(website: Object) -> str:
    url = website.get("url")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise VendorError(400, "source", "source_invalid", "The source's address is not valid.", "website.url")
    return str(url)


@operation("tasks.create", "POST", "/tasks")
def create_task(call: Call) -> Answer:
    body = Body(call.raw)
    fields = task_fields(body)
    name, agent_id = body.text("name", required=True), body.text("agent_id", required=True)
    id = body.text("id", longest=255)
    body.check()
    call.find("agents", agent_id, as_="agent")
    if id and call.world.find("tasks", id):
        raise VendorError(409, "request", "task_exists", "A task with this id exists already.", "id")
    defaults: Object = {
        "name": name,
        "prompt": None,
        "status": "learning",
        "agent_id": agent_id,
        "input_schema": None,
    }
    defaults |= {"output_schema": None, "storage": None, "extraction": False, "settings": None}
    task = call.world.add("tasks", defaults | fields, id=id)
    call.world.events.emit("task.created", "tasks", task)
    return 201, rest_view("tasks", task)


@operation("tasks.list", "GET", "/tasks")
def list_tasks(call: Call) -> Answer:
    wanted = {name: call.filter(name) for name in ("agent_id", "status")}
    return 200, page(filtered(call.world.newest_first("tasks"), wanted), lambda t: rest_view("tasks", t))


@operation("tasks.get", "GET", "/tasks/<id>")
def get_task(call: Call) -> Answer:
    return 200, rest_view("tasks", call.find("tasks", call.args["id"], as_="task"))


@operation("tasks.update", "PATCH", "/tasks/<id>")
def update_task(call: Call) -> Answer:
    task = call.find("tasks", call.args["id"], as_="task")
    body = Body(call.raw)
    fields = task_fields(body)
    name = body.text("name", default=task["name"])
    body.check()
    if any(task[name] != fields[name] for name in LEARNED & fields.keys()):
        fields["status"] = "learning"
    call.world.touch(task, name=name, **fields)
    call.world.events.emit("task.updated", "tasks", task)
    return 200, rest_view("tasks", task)


LEARNED = {"prompt", "input_schema", "output_schema"}
"""What a task has to learn anew. Deck says that an update may demote a task, not which one does (2.7); ours."""


@operation("tasks.delete", "DELETE", "/tasks/<id>")
def delete_task(call: Call) -> Answer:
    """Its runs stay; those on their way come to their end, without its schema and its wish for files (ours)."""
    task = call.find("tasks", call.args["id"], as_="task")
    return 200, delete(call, "tasks", task)


@operation("tasks.reset", "POST", "/tasks/<id>/reset")
def reset_task(call: Call) -> Answer:
    task = call.find("tasks", call.args["id"], as_="task")
    call.world.touch(task, status="learning")
    call.world.events.emit("task.reset", "tasks", task)
    return 200, rest_view("tasks", task)


def task_fields(body: Body) -> Object:
    """The optional fields of a task that were sent."""
    read: Object = {
        "prompt": body.text("prompt"),
        "input_schema": body.schema("input_schema"),
        "output_schema": body.schema("output_schema"),
        "storage": body.storage("storage"),
        "extraction": body.flag("extraction"),
        "settings": body.object("settings"),
    }
    seconds = (read["settings"] or {}).get("timeout_seconds")
    if seconds is not None and (type(seconds) is not int or not 1 <= seconds <= LONGEST.total_seconds()):
        body.complain("settings.timeout_seconds", "must be a whole number of seconds")
    return {name: value for name, value in read.items() if name in body}
