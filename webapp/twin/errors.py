"""What the twin refuses: Deck's own errors on the vendor plane, errors that teach on the control plane."""

from __future__ import annotations

from typing import Any


class VendorError(Exception):
    """Deck's envelope `{errors: [...], request_id}`."""

    def __init__(self, status: int, type_: str, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.type, self.code, self.message, self.field = status, type_, code, message, field

    def element(self) -> dict[str, Any]:
        return {"type": self.type, "code": self.code, "message": self.message, "field": self.field}


class ValidationProblem(Exception):
    """Deck's RFC-9110-style 400: `errors` is a map of dotted paths to lists of texts."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


def not_found(kind: str) -> VendorError:
    """`request / <kind>_not_found`, 404."""
    return VendorError(404, "request", f"{kind}_not_found", f"No such {kind.replace('_', ' ')}.")


class ControlError(Exception):
    """An error of the control plane, for whoever drives the twin: never Deck's envelope."""

    def __init__(self, status: int, code: str, message: str, *, hint: str = "", **detail: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.detail = status, code, message, hint, detail

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail:
            error["detail"] = self.detail
        if self.hint:
            error["hint"] = self.hint
        return {"error": error}
