"""The client of an OpenID provider: code flow with PKCE. Needs `gangway[sso]`, so it is imported only when used."""

from __future__ import annotations

from typing import Any

from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin
from authlib.integrations.httpx_client import OAuth2Client

from ..config import Config

PATIENCE = 5.0
"""Seconds the provider has for each answer: somebody is waiting."""
NEAR = 60
"""Seconds that our clocks may differ."""


class NoProof(Exception):
    """The provider does not say who this is, or not so that we could believe it."""


class Provider(OpenIDMixin, OAuth2Mixin, BaseApp):  # type: ignore[misc]
    """Knows the provider's addresses and keys once it was asked."""

    client_cls = OAuth2Client

    def __init__(self, config: Config) -> None:
        super().__init__(
            framework=None,
            client_id=config.oidc_client_id,
            client_secret=config.oidc_client_secret,
            server_metadata_url=f"{config.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "timeout": PATIENCE},
        )
        self.expected_issuer = config.oidc_issuer
        self.callback = f"{config.public_url}/support/sso/callback"

    def asks(self, **more: Any) -> dict[str, str]:
        """Where to send somebody (`url`), and what has to be kept until they are back: state, nonce, code_verifier."""
        asked: dict[str, str] = self.create_authorization_url(self.callback, **more)
        return asked

    def claims(self, code: str, *, nonce: str, code_verifier: str) -> dict[str, Any]:
        """What the provider says of whoever brought *code*: signed by it, for us, and for this one question."""
        issuer = self.load_server_metadata()["issuer"]
        if str(issuer).rstrip("/") != self.expected_issuer:
            raise NoProof
        token = self.fetch_access_token(self.callback, code=code, code_verifier=code_verifier)
        options = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": self.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        told = self.parse_id_token(token, nonce, claims_options=options, leeway=NEAR)
        if told is None:
            raise NoProof
        return dict(told)
