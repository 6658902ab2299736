"""The twin describing itself: OpenAPI documents of both planes."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from .. import openapi
from .plane import Plane, answer


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put the documents on the plane."""

    @bp.get("/openapi.json")
    def control_document() -> Response:
        return answer(200, openapi.control(current_app._get_current_object()))  # type: ignore[attr-defined]

    @bp.get("/openapi/deck.json")
    def vendor_document() -> Response:
        return answer(200, openapi.vendor())
