"""What a browser says of itself, in the few words we keep."""

from __future__ import annotations

from flask import request

PHONES = ("Mobi", "Android", "iPhone", "iPad")
BROWSERS = (("Firefox/", "Firefox"), ("Edg/", "Edge"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def device() -> str:
    """`phone` or `computer`."""
    said = request.headers.get("User-Agent", "")
    is_phone = request.headers.get("Sec-CH-UA-Mobile") == "?1" or any(word in said for word in PHONES)
    return "phone" if is_phone else "computer"


def browser() -> str:
    """Such as "Firefox on Linux"; "a program" when it names no browser we know."""
    said = request.headers.get("User-Agent", "")
    name = next((words for mark, words in BROWSERS if mark in said), "")
    system = next((words for mark, words in SYSTEMS if mark in said), "")
    return f"{name} on {system}" if name and system else name or "a program"
