"""What must never be written into a template or next to a token, read from the files themselves."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from pathlib import Path

import pytest

from tests.security.conftest import House
from tests.security.tools import ask

ROOT = Path(__file__).parents[2]
TEMPLATES = {str(p.relative_to(ROOT / "templates")): p.read_text() for p in (ROOT / "templates").rglob("*.html")}
MODULES = {
    str(p.relative_to(ROOT)): p.read_text()
    for p in (ROOT / "webapp").rglob("*.py")
    if "twin" not in p.relative_to(ROOT).parts
}

FORBIDDEN = {
    "text that is not escaped": r"\|\s*safe\b|Markup\(|autoescape\s+false|\|\s*tojson(?!\|forceescape)|render_template_string",
    "an attribute without quotes": r"""[\w-]=\{\{|[\w-]=\{%""",
    "an inline style": r"""<[a-z][^<>]*\sstyle\s*=|<style""",
    "an inline handler": r"""\son[a-z]+\s*=|\shx-on""",
    "script in an address": r"""javascript:|["']js:|\shx-vals=["']?js|data:text""",
    "an address that comes from outside": r"""(?:href|src|action|hx-(?:get|post))="\{\{(?!\s*(?:url_for\(|static_url\(|help_url|(?:session\.)?source\.forgot_url|[\w.]*href\b|csv\b|rows\.next\b|request\.path\b))""",
    "a name, type or id that comes from outside": r"""\s(?:name|type)="\{\{\s*(?:asked|option|value|prompt)""",
    "a script written into the page": r"""<script(?![^>]*\ssrc=)""",
    "an eval in htmx": r"""hx-(?:boost|eval|ext)|allowEval["']?\s*:\s*true""",
    "a frame or a plug-in": r"""<(?:iframe|object|embed|base)\b""",
}
"""The dashboard's views call addresses they have built with `url_for` something that ends in href (and csv, next):
that each of them leads to a page of ours, whatever anybody says, is tests/support/test_addresses.py."""
BAD = {
    "text that is not escaped": ["{{ x|safe }}", "{{ x | safe }}", "{% autoescape false %}"],
    "an attribute without quotes": ["<a title={{ x }}>"],
    "an inline style": ['<p style="x">', "<style>"],
    "an inline handler": ['<p onclick="x">', '<p hx-on:click="x">'],
    "script in an address": ['<a href="javascript:x">'],
    "an address that comes from outside": ['<a href="{{ prompt.message }}">', '<form action="{{ next }}">'],
    "a name, type or id that comes from outside": [
        '<input name="{{ asked.name }}">',
        '<input type="{{ asked.type }}">',
    ],
    "a script written into the page": ["<script>x</script>", "<script nonce='x'>"],
    "an eval in htmx": ["<body hx-boost>"],
    "a frame or a plug-in": ["<iframe>", "<base href=x>"],
}


EXCEPT = {("connect/frame.html", "an eval in htmx")}
"""The frame has no cookie: everything in it goes through htmx, which sends its key, and its first page stays."""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_has(what: str) -> None:
    for bad in BAD[what]:
        assert re.search(FORBIDDEN[what], bad, re.IGNORECASE), f"this rule does not see {bad}"
    assert len(TEMPLATES) > 15
    for name, text in TEMPLATES.items():
        if (name, what) in EXCEPT:
            continue
        found = re.search(FORBIDDEN[what], text, re.IGNORECASE)
        assert not found, f"{name} has {what}: {found and found[0]}"


def test_every_script_has_a_nonce_and_a_hash_and_every_style_sheet_a_hash() -> None:
    for name, text in TEMPLATES.items():
        for tag in re.findall(r"<script[^>]*>", text):
            assert 'nonce="{{ csp_nonce() }}"' in tag and 'integrity="{{ integrity(' in tag, (name, tag)
        for tag in re.findall(r'<link rel="stylesheet"[^>]*>', text):
            assert 'integrity="{{ integrity(' in tag, (name, tag)


def test_the_hashes_on_the_page_are_those_of_the_files_that_are_served(house: House) -> None:
    page = ask(house.app, "GET", f"/connect/{house.refs['robin']['interaction']}", cookie=house.cookies["robin"]).text
    tags = re.findall(r'(?:src|href)="(/static/[^"]+)" integrity="sha384-([^"]+)"', page)
    assert len(tags) >= 3, "htmx, our own script and the style sheet"
    assert len(tags) == len(re.findall(r"<script|rel=.stylesheet", page))
    for address, integrity in tags:
        body = ask(house.app, "GET", address).body
        assert base64.b64encode(hashlib.sha384(body).digest()).decode() == integrity, address


def test_a_link_out_of_the_app_tells_nothing_and_opens_nothing() -> None:
    for name, text in TEMPLATES.items():
        for tag in re.findall(r"<a [^>]*target=[^>]*>", text):
            assert 'rel="noopener noreferrer"' in tag, (name, tag)


def test_our_own_script_writes_no_markup_and_keeps_nothing() -> None:
    script = (ROOT / "static" / "page.js").read_text()
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert forbidden not in script, forbidden
    for store in ("localStorage", "sessionStorage", "indexedDB", "document.cookie"):
        assert store not in script, store


@pytest.mark.parametrize(
    "forbidden",
    [
        r"\buuid[134]?\b",
        r"^\s*import random\b|from random",
        r"\bpickle\b",
        r"yaml\.load",
        r"\beval\(|\bexec\(",
        r"shell=True",
    ],
)
def test_no_module_uses(forbidden: str) -> None:
    assert len(MODULES) > 25
    for name, text in MODULES.items():
        assert not re.search(forbidden, text, re.MULTILINE), (name, forbidden)


def test_no_sql_is_put_together_from_text() -> None:
    for name, text in MODULES.items():
        assert not re.search(r"""(?:text|execute|exec_driver_sql)\(\s*f["'](?!PRAGMA)""", text), name
        assert not re.search(r"""["']\s*(?:SELECT|INSERT|UPDATE|DELETE)\s.*%\s""", text), name


TOKENS = re.compile(r"token|secret|signature|password|digest|hash|\bmac\b", re.IGNORECASE)
BY_DATABASE = {"webapp/models/intent.py"}


def compared_tokens(text: str) -> list[str]:
    """Comparisons with == or != in which something is named like a token; only compare_digest takes constant time."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            names = [ast.unparse(side) for side in sides if not isinstance(side, ast.Constant)]
            if len(names) > 1 and any(TOKENS.search(name) for name in names):
                found.append(ast.unparse(node))
    return found


def test_tokens_are_never_compared_with_equals() -> None:
    assert compared_tokens("if token == request.form['t']: pass") == ["token == request.form['t']"]
    assert compared_tokens("if len(x) == 2 and kind == 'password': pass") == []
    for name, text in MODULES.items():
        assert compared_tokens(text) == [], name


def test_tokens_are_long_enough_and_never_twice() -> None:
    from webapp.models.browser_session import BrowserSession, hashed
    from webapp.models.refs import new_ref

    tokens = {BrowserSession.start(None).token for _ in range(2_000)}  # type: ignore[arg-type]
    assert len(tokens) == 2_000
    assert {len(str(token)) for token in tokens} == {43}
    assert len({new_ref() for _ in range(10_000)}) == 10_000
    assert len(new_ref()) == 16 and re.fullmatch(r"[\w-]{16}", new_ref())
    assert hashed("x") == hashlib.sha256(b"x").hexdigest()
