"""Component session tokens, for the browser component that the twin does not have."""

from __future__ import annotations

from datetime import timedelta

from ..bodies import Body
from ..clock import moment
from ..objects import rest_view
from ..vendor import Answer, Call, operation

LIFE = timedelta(minutes=30)


@operation("tokens.create", "POST", "/token")
def create_token(call: Call) -> Answer:
    """The value is shown this once. No field of the body is documented, so any object will do."""
    Body(call.raw, required=False)
    token = call.world.add("tokens", {"expires_at": moment(call.world.clock.now + LIFE)})
    value = call.world.derive.base62("token", call.world.admin_key, token["id"], length=32)
    return 201, {**rest_view("tokens", token), "token": f"tk_{value}"}
