"""The vault, seen from outside: secrets go in and never come back."""

from __future__ import annotations

from flask import request

from ..bodies import Body
from ..errors import VendorError
from ..lists import filtered, page
from ..objects import deletion, rest_view
from ..vendor import Answer, Call, operation


@operation("credentials.create", "POST", "/credentials")
def create_credential(call: Call) -> Answer:
    body = Body(call.raw)
    source_id = body.text("source_id", required=True)
    method = body.choice("auth_method", ("username_password", "none"), default="none") or "none"
    secret = body.secret(method=method, required=True)
    external_id = body.text("external_id", longest=255)
    body.check()
    call.find("sources", source_id, as_="source")
    credential = call.world.credentials.store(
        source_id=str(source_id), auth_method=method, secret=secret or {}, external_id=external_id
    )
    return 201, rest_view("credentials", credential)


@operation("credentials.list", "GET", "/credentials")
def list_credentials(call: Call) -> Answer:
    wanted = {name: call.filter(name) for name in ("source_id", "status")}
    if external_id := request.args.get("external_id"):
        wanted["external_id"] = [external_id]  # one value, not a list: yours may hold a comma
    return 200, page(filtered(call.world.newest_first("credentials"), wanted), lambda c: rest_view("credentials", c))


@operation("credentials.get", "GET", "/credentials/<id>")
def get_credential(call: Call) -> Answer:
    return 200, rest_view("credentials", call.find("credentials", call.args["id"], as_="credential"))


@operation("credentials.update", "PATCH", "/credentials/<id>")
def update_credential(call: Call) -> Answer:
    credential = call.find("credentials", call.args["id"], as_="credential")
    body = Body(call.raw)
    secret = body.secret(method=credential["auth_method"], required=False)
    external_id = body.text("external_id", longest=255, default=None)
    if "external_id" not in body:
        external_id = credential["external_id"]
    body.check()
    if credential["status"] == "deleted":
        raise VendorError(404, "request", "credential_not_found", "No such credential.")
    call.world.credentials.change(credential, secret=secret, external_id=external_id)
    return 200, rest_view("credentials", credential)


@operation("credentials.delete", "DELETE", "/credentials/<id>")
def delete_credential(call: Call) -> Answer:
    credential = call.find("credentials", call.args["id"], as_="credential")
    call.world.credentials.delete(credential)
    return 200, deletion(credential)
