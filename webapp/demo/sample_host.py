"""Saltmarsh Savings, a made-up company whose people link accounts through Gangway: the whole integration on one page.

It knows of Gangway what any company knows: its address, a secret key and a webhook secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from flask import Flask, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue
from standardwebhooks import Webhook, WebhookVerificationError

NAME = "Saltmarsh Savings"
SAVER = "saver-7"
"""Who is signed in here. A real company takes this from its own session, never from the page."""

LABEL = "k•••@mail.example"
"""By what they know their account here. Masked: whoever is sent the link sees it, and that it is not theirs."""

LOOK = {"accent": "#7a3413", "radius": 2}


class Gangway:
    """The server API, with the secret key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return dict(self._http.get(path, params=query).raise_for_status().json())

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        return dict(self._http.post(path, json=body).raise_for_status().json())

    def new_session(self, **more: str) -> dict[str, Any]:
        """A visit for whoever is signed in."""
        wishes = {
            "user_label": LABEL,
            "appearance": LOOK,
            "text": {"consent_note": "We add it to your overview."},
            "tags": {"page": "savings"},
        }
        return self.post("/v1/connect/sessions", user={"client_user_id": SAVER}, **wishes, **more)

    def accounts(self) -> list[dict[str, Any]]:
        """What this person has linked, each with its latest result."""
        found = self.get("/v1/connections", client_user_id=SAVER)["data"][:10]
        return [{**one, "result": self.result_of(one["connection_id"])} for one in found]

    def result_of(self, connection_id: str) -> Any:
        runs = self.get(f"/v1/connections/{connection_id}/runs")["data"]
        done = next((run for run in runs if run["status"] == "completed"), None)
        return self.get(f"/v1/connections/{connection_id}/runs/{done['run_id']}")["output"] if done else None


def create_sample_host(gangway: Gangway, webhook_secret: str, origin: str) -> Flask:
    """The company's website, reached at *origin*."""
    folder = Path(__file__).with_name("saltmarsh")
    app = Flask(__name__, template_folder=folder, static_folder=folder / "static")
    news: dict[str, str] = {}
    """Types of the messages that came, by their id: the same one may come twice. A real company keeps them."""

    @app.before_request
    def own_forms_only() -> None:
        is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
        if request.method == "POST" and request.endpoint != "hear" and not is_ours:
            abort(403)

    @app.after_request
    def strict(response: Response) -> Response:
        """The three directives Gangway needs are script-src, frame-src and form-action."""
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' {gangway.url}; frame-src {gangway.url}; "
            f"form-action 'self' {gangway.url}; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/")
    def home() -> str:
        script = gangway.get("/connect.json")  # its address and its integrity value
        return render_template("home.html", name=NAME, script=script, **known())

    @app.get("/accounts")
    def accounts() -> str:
        """The list alone, for the page to put in place."""
        return render_template("accounts.html", **known())

    def known() -> dict[str, Any]:
        return {"accounts": gangway.accounts(), "news": list(news.values())[-8:]}

    @app.post("/connect-token")
    def connect_token() -> dict[str, str]:
        """For the page: opens the flow once."""
        return {"connect_token": gangway.new_session()["connect_token"]}

    @app.post("/linked")
    def linked() -> ResponseReturnValue:
        """The page was handed a public token; only our key makes a connection of it."""
        gangway.post("/v1/connect/public_token/exchange", public_token=request.form["public_token"])
        return "", 204

    @app.post("/by-link")
    def by_link() -> ResponseReturnValue:
        """The same without frames or scripts: away to Gangway's own page, and back."""
        return redirect(gangway.new_session(return_url=f"{origin}/back")["hosted_url"], 303)

    @app.get("/back")
    def back() -> ResponseReturnValue:
        """Whoever comes back says how it went; what counts is what Gangway says."""
        session = gangway.get(f"/v1/connect/sessions/{request.args['session_id']}")
        if session["client_user_id"] != SAVER:
            abort(403)
        return redirect("/", 303)

    @app.post("/webhooks/gangway")
    def hear() -> ResponseReturnValue:
        """Signed over the body as it came. Answer at once; work later."""
        try:
            message = Webhook(webhook_secret).verify(request.get_data(), dict(request.headers))
        except WebhookVerificationError:
            return "", 401
        news[message["id"]] = message["type"]
        return "", 204

    return app
