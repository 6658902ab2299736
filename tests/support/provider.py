"""A small OpenID provider: real HTTP on loopback, real RSA signatures, and lies on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "gangway-support", "a client secret of the tests"


class Provider:
    """Signs in whoever `email` says, at once. `lies` replace what an id_token says; None takes a claim out."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.signs_with = self.key
        self.email, self.issuer = "ash@desk.example", ""
        self.lies: dict[str, Any] = {}
        self.answers = True
        self.asked: dict[str, dict[str, str]] = {}
        """The questions that are open, by code."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        pages = {
            "/.well-known/openid-configuration": self.discovery,
            "/keys": lambda request: KeySet([self.key]).as_dict(private=False),
            "/authorize": self.authorize,
            "/token": self.token,
        }
        answer = pages[request.path](request) if self.answers else Response("down", 503)
        if isinstance(answer, dict):
            answer = Response(json.dumps(answer), mimetype="application/json")
        return answer(environ, start_response)

    def discovery(self, request: Request) -> dict[str, Any]:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {
            "issuer": self.issuer,
            "id_token_signing_alg_values_supported": ["RS256"],
            **{name: f"{self.issuer}/{path}" for name, path in places.items()},
        }

    def authorize(self, request: Request) -> Response:
        asked = request.args.to_dict()
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code" and "openid" in asked["scope"]
        assert asked["code_challenge_method"] == "S256" and asked["nonce"] and asked["state"]
        code = secrets.token_urlsafe(8)
        self.asked[code] = asked
        return Response(status=302, headers={"Location": f"{asked['redirect_uri']}?code={code}&state={asked['state']}"})

    def token(self, request: Request) -> dict[str, Any] | Response:
        asked = self.asked.pop(request.form["code"], None)
        verifier = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
        knows = request.authorization and (request.authorization.username, request.authorization.password)
        if (
            asked is None
            or knows != (CLIENT, SECRET)
            or base64.urlsafe_b64encode(verifier).decode().rstrip("=") != asked["code_challenge"]
            or request.form["redirect_uri"] != asked["redirect_uri"]
        ):
            return Response('{"error": "invalid_grant"}', 400, mimetype="application/json")
        now = int(time.time())
        says = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        says |= {"email": self.email, "email_verified": True, "auth_time": now} | self.lies
        claims = {name: value for name, value in says.items() if value is not None}
        id_token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.signs_with)
        return {"access_token": "x", "token_type": "Bearer", "id_token": id_token}


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    server = make_server("127.0.0.1", 0, provider, threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
