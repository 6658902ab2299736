"""Wrong settings stop the start with one line that names the setting and shows no secret."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path

import pytest

from webapp.config import BadSetting, Config

KEY = base64.b64encode(b"k" * 32).decode()
GOOD = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    "VAULT_KEYS": f"k1:{KEY}",
    "PUBLIC_URL": "https://connect.example.com",
    "DECK_API_KEY": "sk_live_secret",
    "DECK_WEBHOOK_SECRETS": f"whsec_{KEY}",
}


def test_the_needed_settings_are_enough() -> None:
    config = Config.from_env(GOOD)
    assert config.deck_base_url == "https://api.deck.co/v2"
    assert config.webhook_url == "https://connect.example.com/webhooks/deck"


@pytest.mark.parametrize("name", GOOD)
def test_each_needed_setting_is_named_when_it_is_missing(name: str) -> None:
    for empty in ({k: v for k, v in GOOD.items() if k != name}, {**GOOD, name: ""}, {**GOOD, name: "   "}):
        with pytest.raises(BadSetting, match=f"^{name} is not set$"):
            Config.from_env(empty)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 64),
        ("VAULT_KEYS", "k1"),
        ("VAULT_KEYS", "k1:AAAA"),
        ("VAULT_KEYS", f"K-1:{KEY}"),
        ("VAULT_KEYS", f"k1:{KEY},k1:{KEY}"),
        ("PUBLIC_URL", "gangway.example.org"),
        ("PUBLIC_URL", "http://connect.example.com"),
        ("PUBLIC_URL", "https://user:pass@connect.example.com"),
        ("PUBLIC_URL", "https://connect.example.com?x=1"),
        ("PUBLIC_URL", "https://[half"),
        ("PUBLIC_URL", "https://example.com/connect"),
        ("DECK_WEBHOOK_SECRETS", "whsec_short"),
        ("DECK_WEBHOOK_SECRETS", KEY),
        ("DECK_WEBHOOK_SECRETS", f"whsec_{KEY},"),
        ("DECK_BASE_URL", "http://api.deck.example/v2"),
        ("DECK_BASE_URL", "ftp://127.0.0.1/v2"),
        ("DATABASE_URL", "mysql://localhost/gangway"),
        ("OPERATOR_NAME", "x" * 41),
        ("OPERATOR_NAME", "two\nlines"),
        ("HELP_URL", "javascript:alert(1)"),
        ("PROXY_HOPS", "-1"),
        ("PROXY_HOPS", "ten"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(BadSetting) as refused:
        Config.from_env({**GOOD, name: value})
    line = str(refused.value)
    assert line.startswith(f"{name} ")
    assert "\n" not in line
    assert len(value) < 4 or value not in line


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "api-key"
    secret.write_text("sk_live_from_a_file\n")
    given = {k: v for k, v in GOOD.items() if k != "DECK_API_KEY"}
    assert Config.from_env({**given, "DECK_API_KEY_FILE": str(secret)}).deck_api_key == "sk_live_from_a_file"
    with pytest.raises(BadSetting, match="DECK_API_KEY is set twice"):
        Config.from_env({**GOOD, "DECK_API_KEY_FILE": str(secret)})
    with pytest.raises(BadSetting, match="DECK_API_KEY_FILE names a file that cannot be read"):
        Config.from_env({**given, "DECK_API_KEY_FILE": str(tmp_path / "nothing")})


def test_plain_http_is_for_this_machine_only() -> None:
    assert not Config.from_env({**GOOD, "PUBLIC_URL": "http://127.0.0.1:5050"}).secure


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://connect.example.com", "connect.example.com"),
        ("http://LocalHost:5050", "localhost"),
        ("http://[::1]:5050", "[::1]"),
        ("https://[2001:db8::7]", "[2001:db8::7]"),
    ],
)
def test_our_host_is_known_without_its_port(address: str, host: str) -> None:
    assert Config.from_env({**GOOD, "PUBLIC_URL": address}).hostname == host


def test_a_heroku_style_postgres_address_gets_our_driver() -> None:
    config = Config.from_env({**GOOD, "DATABASE_URL": "postgres://db/gangway"})
    assert config.database_url == "postgresql+psycopg://db/gangway"


def test_a_relative_database_file_lies_where_the_command_is_run_as_the_catalog_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config.from_env(GOOD).database_url == f"sqlite:///{tmp_path}/gangway.sqlite3"
    for given, meant in (
        ("sqlite:///data/live.sqlite3", f"sqlite:///{tmp_path}/data/live.sqlite3"),
        ("sqlite:////srv/gangway.sqlite3", "sqlite:////srv/gangway.sqlite3"),
    ):
        assert Config.from_env({**GOOD, "DATABASE_URL": given}).database_url == meant


@pytest.mark.parametrize("memory", ["sqlite:///", "sqlite:///:memory:", "sqlite:///file:gangway?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(memory: str) -> None:
    with pytest.raises(BadSetting, match="DATABASE_URL must name a file"):
        Config.from_env({**GOOD, "DATABASE_URL": memory})


def test_where_the_data_is_can_be_read_without_the_password() -> None:
    config = Config.from_env({**GOOD, "DATABASE_URL": "postgresql://gangway:canary@db:5432/live?password=canary"})
    assert config.database_place == "postgresql://db:5432/live"
    assert Config.from_env({**GOOD, "DATABASE_URL": "sqlite:////srv/a.sqlite3"}).database_place == "/srv/a.sqlite3"


@pytest.mark.parametrize(
    ("name", "value", "module", "extra"),
    [
        ("DATABASE_URL", "postgresql://db/gangway", "psycopg", "postgres"),
        ("REDIS_URL", "redis://bell", "redis", "redis"),
        ("OIDC_ISSUER", "https://id.example.com", "authlib", "sso"),
    ],
)
def test_a_setting_that_needs_one_more_package_says_which(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, module: str, extra: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == module else find(wanted))
    go_with_it = {"OIDC_CLIENT_ID": "gangway", "OIDC_CLIENT_SECRET": "s"} if extra == "sso" else {}
    with pytest.raises(BadSetting, match=rf"^{name} needs one more package: install gangway\[{extra}\]$"):
        Config.from_env({**GOOD, name: value, **go_with_it})


def test_an_address_that_is_none_is_shown_one_of_its_own_kind() -> None:
    with pytest.raises(BadSetting, match=r"such as https://api\.deck\.co/v2$"):
        Config.from_env({**GOOD, "DECK_BASE_URL": "deck"})
    with pytest.raises(BadSetting, match=r"such as https://connect\.example\.com$"):
        Config.from_env({**GOOD, "PUBLIC_URL": "gangway"})
