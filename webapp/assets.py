"""The files that ship with the code: where they are, and static addresses that change when a file does."""

from __future__ import annotations

import base64
import gzip
import hashlib
import posixpath
from functools import cache
from pathlib import Path

from flask import Flask, Response, request, url_for

HERE = Path(__file__).parent
TEXT = {"text/css", "text/javascript", "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


def shipped(folder: str) -> str:
    """A top-level folder: beside the package in a checkout, inside it in an installed wheel."""
    inside = HERE / folder
    return str(inside if inside.is_dir() else HERE.parent / folder)


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(static_url=static_url, integrity=integrity)
    app.after_request(keep_hashed_files)


def static_url(name: str) -> str:
    """The address of a static file, with its digest in it."""
    return url_for("static", filename=name, v=short(name))


def short(name: str) -> str:
    return digest(name).hex()[:12]


def integrity(name: str = "", *, of: str = "") -> str:
    """The value of a script's or a style sheet's integrity attribute: the file's, or that of a text we make."""
    whole = hashlib.sha384(of.encode()).digest() if of else digest(name)
    return "sha384-" + base64.b64encode(whole).decode()


@cache
def digest(name: str) -> bytes:
    return hashlib.sha384(Path(shipped("static"), name).read_bytes()).digest()


def keep_hashed_files(response: Response) -> Response:
    """A file whose address names its content may be kept for good, and travels compressed.

    Pages are never compressed: next to a secret, the size of a compressed page tells about it (BREACH).
    """
    if request.endpoint != "static" or response.status_code != 200 or request.method == "OPTIONS":
        return response
    name = posixpath.normpath((request.view_args or {})["filename"])  # each is kept once, however it is spelled
    if request.args.get("v") != short(name):
        return response  # during a deploy another version may be asked for: nobody should keep this one
    response.headers["Cache-Control"] = FOREVER
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip") > 0 and response.mimetype in TEXT:
        response.close()  # the file: something else is sent
        response.direct_passthrough = False
        response.set_data(zipped(name))
        response.content_encoding = "gzip"
    return response


@cache
def zipped(name: str) -> bytes:
    return gzip.compress(Path(shipped("static"), name).read_bytes(), mtime=0)
