"""The operators' commands."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

if TYPE_CHECKING:
    from .doctor import Finding


@click.command()
@click.option("--json", "wants_json", is_flag=True, help="For programs.")
@with_appcontext
def doctor(wants_json: bool) -> None:
    """Look at everything this installation needs, and say what to do. Exit code 1 when something fails."""
    import httpx

    from . import doctor as office

    with httpx.Client(timeout=5.0, trust_env=False, follow_redirects=False) as http:
        findings = []
        for finding in office.examine(http):
            findings.append(finding)
            if not wants_json:
                tell(finding)
    if wants_json:
        click.echo(json.dumps(office.as_json(findings), indent=1))
    sys.exit(1 if office.has_failed(findings) else 0)


def tell(finding: Finding) -> None:
    mark = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}[finding.status]
    click.echo(f"{mark}  {finding.check:<12} {finding.what}")
    if finding.todo:
        click.echo(f"{'':<19}→ {finding.todo}")
