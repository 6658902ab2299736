"""Every setting, read once from the environment. A wrong value stops the start with one line that names it."""

from __future__ import annotations

import base64
import binascii
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LIVE_DECK = "https://api.deck.co/v2"
SECRETS = ("SECRET_KEY", "VAULT_KEYS", "DECK_API_KEY", "DECK_WEBHOOK_SECRETS", "OIDC_CLIENT_SECRET")
SQLITE = "sqlite:///"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class BadSetting(Exception):
    """A setting that cannot work. Its text names the setting and never shows a secret's value."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")


@dataclass(frozen=True, repr=False)
class Config:
    """What differs between two installations. `docs/operators.md` explains each."""

    secret_key: str
    """SECRET_KEY: signs cookies; at least 32 characters."""
    vault_keys: tuple[tuple[str, bytes], ...]
    """VAULT_KEYS: `id:base64` pairs of 32-byte keys, comma-separated; the first one seals, all of them open."""
    public_url: str
    """PUBLIC_URL: where people and Deck reach us; https, or http on this machine."""
    deck_api_key: str
    """DECK_API_KEY"""
    deck_webhook_secrets: tuple[str, ...]
    """DECK_WEBHOOK_SECRETS: `whsec_…`, comma-separated; the first one is given to Deck, all are accepted."""
    deck_base_url: str = LIVE_DECK
    """DECK_BASE_URL: live Deck, or a twin."""
    database_url: str = "sqlite:///gangway.sqlite3"
    """DATABASE_URL: SQLAlchemy's form; a relative file is one in the working directory."""
    redis_url: str = ""
    """REDIS_URL: carries the bell and the limits between processes. Empty: each is on its own."""
    catalog: Path = Path("catalog.toml")
    """CATALOG: the file that declares sources and tasks."""
    operator_name: str = "Gangway"
    """OPERATOR_NAME: who people are told is asking, at most 40 characters."""
    help_url: str = ""
    """HELP_URL: where people get help; an https or mailto address. Empty: no link is shown."""
    keep_results_days: int = 90
    """KEEP_RESULTS_DAYS: how long results are kept, but for the latest of a connection; 1 to 3650."""
    keep_history_days: int = 365
    """KEEP_HISTORY_DAYS: how long runs and what happened in them are kept, 1 to 3650."""
    proxy_hops: int = 0
    """PROXY_HOPS: how many reverse proxies stand in front of us and set X-Forwarded-For."""
    ops_bind: str = ""
    """OPS_BIND: where metrics and deep health are shown, such as 127.0.0.1:9464. Empty: nowhere."""
    drain_seconds: int = 1
    """DRAIN_SECONDS: how long to say "not ready" before letting nobody in any more, 0 to 60."""
    log_format: str = "json"
    """LOG_FORMAT: json or text."""
    secrets_changed: tuple[tuple[str, float], ...] = ()
    """When the files of secrets that come from files were changed, by setting; Unix time."""
    host_webhooks_to_private: bool = False
    """HOST_WEBHOOKS_TO_PRIVATE: whether hosts' webhooks may go to private addresses too."""
    oidc_issuer: str = ""
    """OIDC_ISSUER: the OpenID provider staff may sign in with. Empty: passwords and codes only."""
    oidc_client_id: str = ""
    """OIDC_CLIENT_ID"""
    oidc_client_secret: str = ""
    """OIDC_CLIENT_SECRET"""

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def host(self) -> str:
        return urlsplit(self.public_url).netloc.lower()

    @property
    def hostname(self) -> str:
        """Without the port; an IPv6 address in its brackets, as in a Host header."""
        return re.sub(r":[0-9]*$", "", self.host)

    @property
    def may_have_peers(self) -> bool:
        """Whether other processes may do the same work: on SQLite there is one."""
        return not self.database_url.startswith(SQLITE)

    @property
    def origin(self) -> str:
        """Where our pages come from, as browsers write it into an Origin header."""
        default_port = ":443" if self.secure else ":80"
        return f"{urlsplit(self.public_url).scheme}://{self.host.removesuffix(default_port)}"

    @property
    def database_place(self) -> str:
        """Where the data is, as an operator may read it: without the password."""
        if self.database_url.startswith(SQLITE):
            return self.database_url.removeprefix(SQLITE)
        parts = urlsplit(self.database_url)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def webhook_url(self) -> str:
        """The address Deck is told to deliver to."""
        return f"{self.public_url}/webhooks/deck"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read all settings; `BadSetting` for the first that is missing or wrong.

        A setting NAME may also come from a file named by NAME_FILE, as container secrets do.
        """
        read = _Reader(environ)
        read.all_or_none("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
        return cls(
            secret_key=read.secret("SECRET_KEY"),
            vault_keys=read.vault_keys("VAULT_KEYS"),
            public_url=read.origin("PUBLIC_URL"),
            deck_api_key=read.required("DECK_API_KEY"),
            deck_webhook_secrets=read.webhook_secrets("DECK_WEBHOOK_SECRETS"),
            deck_base_url=read.address("DECK_BASE_URL", default=LIVE_DECK),
            database_url=read.database("DATABASE_URL", default=cls.database_url),
            redis_url=read.redis("REDIS_URL"),
            catalog=Path(read.text("CATALOG", default=str(cls.catalog))),
            operator_name=read.name("OPERATOR_NAME", default=cls.operator_name),
            help_url=read.help_address("HELP_URL"),
            keep_results_days=read.days("KEEP_RESULTS_DAYS", default=cls.keep_results_days),
            keep_history_days=read.days("KEEP_HISTORY_DAYS", default=cls.keep_history_days),
            proxy_hops=read.number("PROXY_HOPS", default=0),
            ops_bind=read.bind("OPS_BIND"),
            drain_seconds=read.seconds("DRAIN_SECONDS", default=cls.drain_seconds, most=60),
            log_format=read.word("LOG_FORMAT", ("json", "text")),
            secrets_changed=tuple(read.changed(SECRETS)),
            host_webhooks_to_private=read.yes_or_no("HOST_WEBHOOKS_TO_PRIVATE"),
            oidc_issuer=read.issuer("OIDC_ISSUER"),
            oidc_client_id=read.text("OIDC_CLIENT_ID"),
            oidc_client_secret=read.text("OIDC_CLIENT_SECRET"),
        )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def text(self, name: str, *, default: str = "") -> str:
        value = self.environ.get(name, "").strip()
        path = self.environ.get(f"{name}_FILE", "").strip()
        if value and path:
            raise BadSetting(name, f"is set twice: remove it or {name}_FILE")
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise BadSetting(f"{name}_FILE", "names a file that cannot be read") from error
        return value or default

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise BadSetting(name, "is not set")
        return value

    def secret(self, name: str) -> str:
        value = self.required(name)
        if len(value) < 32 or len(set(value)) < 10:
            raise BadSetting(name, "is too easy to guess: give at least 32 random characters")
        return value

    def vault_keys(self, name: str) -> tuple[tuple[str, bytes], ...]:
        keys = []
        for pair in self.required(name).split(","):
            id, _, encoded = pair.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                key = b""
            if not re.fullmatch(r"[a-z0-9]{1,16}", id) or len(key) != 32:
                raise BadSetting(name, "must be id:key pairs, the key being 32 bytes in base64")
            keys.append((id, key))
        if len({id for id, _ in keys}) != len(keys):
            raise BadSetting(name, "has one key id twice")
        return tuple(keys)

    def webhook_secrets(self, name: str) -> tuple[str, ...]:
        secrets = tuple(part.strip() for part in self.required(name).split(","))
        for secret in secrets:
            try:
                key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
            except (ValueError, binascii.Error):
                key = b""
            if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
                raise BadSetting(name, "must be whsec_ and 24 to 64 bytes in base64")
        return secrets

    def address(self, name: str, *, default: str = "") -> str:
        value = (self.text(name, default=default) or self.required(name)).rstrip("/")
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
            raise BadSetting(name, f"must be an address such as {default or 'https://connect.example.com'}")
        if parts.scheme == "http" and host not in LOOPBACK:
            raise BadSetting(name, "must be https: plain http is for this machine only")
        return value

    def origin(self, name: str) -> str:
        value = self.address(name)
        if urlsplit(value).path:
            raise BadSetting(name, "must have no path: Gangway has a host name to itself")
        return value

    def issuer(self, name: str) -> str:
        if not self.text(name):
            return ""
        self.needs(name, "authlib", extra="sso")
        return self.address(name)

    def needs(self, name: str, module: str, *, extra: str) -> None:
        """What only some installations need is not installed with the rest."""
        if importlib.util.find_spec(module) is None:
            raise BadSetting(name, f"needs one more package: install gangway[{extra}]")

    def all_or_none(self, *names: str) -> None:
        missing = [name for name in names if not self.text(name)]
        if missing and len(missing) < len(names):
            raise BadSetting(missing[0], f"is not set: {', '.join(names)} go together")

    def database(self, name: str, *, default: str) -> str:
        value = self.text(name, default=default)
        if value.startswith(("postgres://", "postgresql://")):
            value = "postgresql+psycopg://" + value.partition("://")[2]
        if not value.startswith((SQLITE, "postgresql+psycopg://")):
            raise BadSetting(name, "must start with sqlite:/// or postgresql://")
        if not value.startswith(SQLITE):
            self.needs(name, "psycopg", extra="postgres")
            return value
        file = value.removeprefix(SQLITE)
        if not file or file.startswith((":memory:", "file:")):
            raise BadSetting(name, "must name a file: what is in memory only would be lost")
        # A relative file lies where the command is run, as the catalog does.
        return f"{SQLITE}{Path(file).absolute()}"

    def redis(self, name: str) -> str:
        value = self.text(name)
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise BadSetting(name, "must start with redis://, rediss:// or unix://")
        if value:
            self.needs(name, "redis", extra="redis")
        return value

    def name(self, name: str, *, default: str) -> str:
        value = self.text(name, default=default)
        if len(value) > 40 or not value.isprintable():
            raise BadSetting(name, "must be at most 40 printable characters")
        return value

    def help_address(self, name: str) -> str:
        value = self.text(name)
        if value and not value.startswith(("https://", "mailto:")):
            raise BadSetting(name, "must start with https:// or mailto:")
        return value

    def days(self, name: str, *, default: int) -> int:
        value = self.text(name, default=str(default))
        if not re.fullmatch(r"[1-9][0-9]{0,3}", value) or int(value) > 3650:
            raise BadSetting(name, "must be a number of days from 1 to 3650")
        return int(value)

    def bind(self, name: str) -> str:
        value = self.text(name)
        host, _, port = value.rpartition(":")
        if value and not (host and re.fullmatch(r"[0-9]{1,5}", port) and int(port) < 65_536):
            raise BadSetting(name, "must be an address and a port such as 127.0.0.1:9464")
        return value

    def seconds(self, name: str, *, default: int, most: int) -> int:
        value = self.text(name, default=str(default))
        if not re.fullmatch(r"[0-9]{1,3}", value) or int(value) > most:
            raise BadSetting(name, f"must be a number of seconds from 0 to {most}")
        return int(value)

    def word(self, name: str, known: tuple[str, ...]) -> str:
        value = self.text(name, default=known[0])
        if value not in known:
            raise BadSetting(name, f"must be one of {', '.join(known)}")
        return value

    def changed(self, names: Iterable[str]) -> Iterator[tuple[str, float]]:
        """Of those settings that come from files: when each file was changed."""
        for name in names:
            if path := self.environ.get(f"{name}_FILE", "").strip():
                yield name, Path(path).stat().st_mtime

    def yes_or_no(self, name: str) -> bool:
        value = self.text(name, default="false")
        if value not in ("true", "false"):
            raise BadSetting(name, "must be true or false")
        return value == "true"

    def number(self, name: str, *, default: int) -> int:
        value = self.text(name, default=str(default))
        if not re.fullmatch(r"[0-9]", value):
            raise BadSetting(name, "must be a number from 0 to 9")
        return int(value)
