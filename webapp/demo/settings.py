"""Every setting of an installation on throw-away data, as the environment holds it; the secrets are new each time."""

from __future__ import annotations

import base64
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from . import cast


def settings_for(url: str, deck_url: str, api_key: str, folder: Path) -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "VAULT_KEYS": "trial:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PUBLIC_URL": url,
        "DECK_BASE_URL": deck_url,
        "DECK_API_KEY": api_key,
        "DECK_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "DATABASE_URL": f"sqlite:///{folder / 'gangway.sqlite3'}",
        "CATALOG": str(cast.CATALOG),
    }


def write_for_shells(settings: Mapping[str, str], file: Path) -> None:
    """So that after `. FILE` in another shell `gangway …` is about this installation. For its owner only."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
