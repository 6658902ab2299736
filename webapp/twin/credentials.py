"""The vault: credentials and their four statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import Object

if TYPE_CHECKING:
    from .world import World


class Credentials:
    """Stores sign-ins; only a run finds out whether they work."""

    def __init__(self, world: World) -> None:
        self.world = world

    def store(self, *, source_id: str, auth_method: str, secret: Object, external_id: str | None) -> Object:
        credential = self.world.add(
            "credentials",
            {
                "status": "unverified",
                "external_id": external_id,
                "source_id": source_id,
                "auth_method": auth_method,
                "auth_credentials": {"username": secret.get("username"), "key": None},
                "_password": secret.get("password"),
            },
        )
        if secret.get("source_fields"):
            credential["auth_credentials"]["source_fields"] = secret["source_fields"]
        self.world.events.emit("credential.created", "credentials", credential)
        return credential

    def change(self, credential: Object, *, secret: Object | None, external_id: str | None) -> None:
        """New sign-in data puts it back to unverified; only what was sent changes."""
        self.world.touch(credential, external_id=external_id)
        if secret is None:
            return
        shown = credential["auth_credentials"]
        if "username" in secret:
            shown["username"] = secret["username"]
        if "password" in secret:
            credential["_password"] = secret["password"]
        if "source_fields" in secret:
            shown["source_fields"] = secret["source_fields"]
        if credential["status"] != "unverified":
            self._become(credential, "unverified")

    def accept(self, credential: Object) -> None:
        """The site let it in: announced the first time only."""
        if credential["status"] not in ("verified", "deleted"):
            self._become(credential, "verified")

    def refuse(self, credential: Object) -> None:
        if credential["status"] not in ("invalid", "deleted"):
            self._become(credential, "invalid")

    def delete(self, credential: Object) -> None:
        """The secret is gone for good; the object stays readable."""
        credential["_password"] = None
        if credential["status"] != "deleted":
            self._become(credential, "deleted")

    def _become(self, credential: Object, status: str) -> None:
        self.world.touch(credential, status=status)
        self.world.events.emit(f"credential.{status}", "credentials", credential)
