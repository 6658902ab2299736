"""Events, the destinations they go to and how their deliveries fared."""

from __future__ import annotations

from flask import request

from ..bodies import Body
from ..destinations import TYPES, read_config, visible
from ..lists import between, filtered, latest, page
from ..objects import EVENT_TYPES, Object, rest_view
from ..vendor import Answer, Call, operation


@operation("events.list", "GET", "/events")
def list_events(call: Call) -> Answer:
    events = between(
        call.world.newest_first("events", types=call.filter("type"), until=latest()),
        request.args.get("created_after"),
        request.args.get("created_before"),
    )
    return 200, page(events, lambda e: rest_view("events", e))


@operation("events.get", "GET", "/events/<id>")
def get_event(call: Call) -> Answer:
    return 200, rest_view("events", call.find("events", call.args["id"], as_="event"))


@operation("event_types.list", "GET", "/event-types")
def list_event_types(call: Call) -> Answer:
    data = [
        {"object": "event_type", "type": t, "description": t.replace(".", " ").replace("_", " ")} for t in EVENT_TYPES
    ]
    return 200, {"data": data}


@operation("event_destinations.create", "POST", "/event-destinations")
def create_destination(call: Call) -> Answer:
    body = Body(call.raw)
    name = body.text("name", required=True)
    type = body.choice("type", tuple(TYPES), default="webhook")
    events = event_list(body)
    config = read_config(body, type) if type in TYPES else None
    body.check()
    assert type is not None and config is not None
    destination = call.world.events.add_destination(name=str(name), type=type, config=config, events=events or ["*"])
    shown = rest_view("event_destinations", destination)
    if type == "webhook":
        shown["webhook"]["secret"] = destination["_config"]["secret"]  # shown this once
    return 201, shown


@operation("event_destinations.list", "GET", "/event-destinations")
def list_destinations(call: Call) -> Answer:
    return 200, page(call.world.newest_first("event_destinations"), lambda d: rest_view("event_destinations", d))


@operation("event_destinations.get", "GET", "/event-destinations/<id>")
def get_destination(call: Call) -> Answer:
    destination = call.find("event_destinations", call.args["id"], as_="event_destination")
    return 200, rest_view("event_destinations", destination)


@operation("event_destinations.update", "PATCH", "/event-destinations/<id>")
def update_destination(call: Call) -> Answer:
    destination = call.find("event_destinations", call.args["id"], as_="event_destination")
    body = Body(call.raw)
    type = destination["type"]
    name = body.text("name", default=destination["name"])
    status = body.choice("status", ("active", "inactive"), default=destination["status"])
    events = event_list(body) or destination["events"]
    if body.given.get("type") not in (None, type):
        body.complain("type", f"cannot be changed from {type}")
    config = read_config(body, type, destination["_config"])
    body.check()
    changes: Object = {"name": name, "events": events}
    if config is not None:
        call.world.events.reconfigure(destination, config)
        changes[type] = visible(type, config)
    call.world.touch(destination, **changes)
    call.world.events.set_status(destination, str(status))
    return 200, rest_view("event_destinations", destination)


@operation("event_destinations.delete", "DELETE", "/event-destinations/<id>")
def delete_destination(call: Call) -> Answer:
    destination = call.find("event_destinations", call.args["id"], as_="event_destination")
    del call.world.stores["event_destinations"][destination["id"]]
    return 200, {"id": destination["id"], "object": "event_destination", "deleted": True}


@operation("event_deliveries.list", "GET", "/event-destinations/<id>/event-deliveries")
def list_deliveries(call: Call) -> Answer:
    destination = call.find("event_destinations", call.args["id"], as_="event_destination")
    wanted = {"status": call.filter("status"), "event_type": call.filter("type")}
    wanted["event_destination_id"] = [destination["id"]]
    return 200, page(
        filtered(call.world.newest_first("event_deliveries", until=latest()), wanted),
        lambda d: rest_view("event_deliveries", d),
    )


def event_list(body: Body) -> list[str] | None:
    """`events`: known types, or `["*"]` alone; never empty."""
    if "events" not in body or body.given["events"] is None:
        return None
    events = body.given["events"]
    if not isinstance(events, list) or not events:
        body.complain("events", "must be a list of at least one event type")
    elif "*" in events and len(events) > 1:
        body.complain("events", "'*' can't be mixed with other types")
    elif unknown := [e for e in events if e not in ("*", *EVENT_TYPES)]:
        body.complain("events", f"unknown event type: {unknown[0]}")
    else:
        return list(events)
    return None
