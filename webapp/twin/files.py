"""Files that runs bring: kept once, and read where the task wants that."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from . import synth
from .errors import ControlError
from .objects import Object

if TYPE_CHECKING:
    from .world import World

FILE_FIELDS = (
    "file_name",
    "file_type",
    "content",
    "content_base64",
    "metadata",
    "purpose",
    "result",
    "extraction",
)
"""What can be said of a file that a site or a pin holds. `extraction` is what reading it brings to light."""

PURPOSES = ("output", "attachment", "extraction")
RESULTS = ("success", "failure")
SUMMARY = ("id", "object", "file_name", "file_type", "file_size", "created_at")
"""What a run shows of its files."""


def check_file(file: Any) -> None:
    """422 unless *file* is one that a run could bring."""
    if not isinstance(file, dict):
        raise ControlError(422, "pin_schema_mismatch", f"a file is an object, not {file!r}")
    if unknown := set(file) - set(FILE_FIELDS):
        hint = f"known: {', '.join(FILE_FIELDS)}"
        raise ControlError(422, "unknown_field", f"a file has no field {sorted(unknown)[0]!r}", hint=hint)
    texts = ("file_name", "file_type", "content", "content_base64")
    if (
        "file_name" not in file
        or not {"content", "content_base64"} & file.keys()
        or not all(isinstance(file.get(name, ""), str) for name in texts)
    ):
        raise ControlError(422, "pin_schema_mismatch", "a file needs a file_name and a content, which are texts")
    if "content" in file and "content_base64" in file:
        raise ControlError(422, "unknown_field", "give one of content and content_base64")
    for name, known in (("purpose", PURPOSES), ("result", RESULTS)):
        if file.get(name, known[0]) not in known:
            raise ControlError(422, "pin_schema_mismatch", f"{name} is {' or '.join(known)}, not {file[name]!r}")
    for name in ("metadata", "extraction"):
        if not isinstance(file.get(name), dict | None):
            raise ControlError(422, "pin_schema_mismatch", f"{name} is an object, not {file[name]!r}")
    content_of(file)


def content_of(file: Object) -> str:
    """Its bytes as text: what is not UTF-8 travels as surrogate escapes. 422 for broken base64."""
    if "content_base64" not in file:
        return str(file.get("content", ""))
    try:
        return base64.b64decode(file["content_base64"], validate=True).decode(errors="surrogateescape")
    except ValueError as error:
        raise ControlError(422, "unknown_field", f"content_base64 is not base64: {error}") from error


def size_of(content: str) -> int:
    return len(content.encode(errors="surrogateescape"))


def capture(world: World, run: Object, file: Object) -> Object | None:
    """Put a file into storage and on its run; None for one the task has already and wants only once."""
    content = content_of(file)
    task = world.find("tasks", run["task_id"]) or {"id": run["task_id"], "storage": None, "extraction": False}
    result = file.get("result", "success")
    extraction = _extracted(world, task, file, content) if result == "success" else None
    if _is_known(world, run, task, content, extraction):
        return None
    item = world.add(
        "storage",
        {
            "file_name": file["file_name"],
            "file_type": file.get("file_type", "application/octet-stream"),
            "file_size": size_of(content),
            "metadata": file.get("metadata"),
            "extraction": extraction,
            "task_run_id": run["id"],
            "result": result,
            "purpose": file.get("purpose", "output"),
            "_content": content,
        },
    )
    put_on(run, item)
    world.events.emit("storage.created", "storage", item)
    return item


def put_on(run: Object, item: Object) -> None:
    """Show *item* among the files of *run*, once."""
    if all(file["id"] != item["id"] for file in run["storage"]):
        run["storage"].append({key: item[key] for key in SUMMARY})


def _extracted(world: World, task: Object, file: Object, content: str) -> Object | None:
    """What the file says, as its task's `extraction_schema` wants it; None where the task wants none."""
    wish = task["storage"] or {}
    if not (wish.get("extraction") or task["extraction"]):
        return None
    schema, found = wish.get("extraction_schema"), file.get("extraction")
    if schema is None:
        return found
    if found is not None:
        return dict(synth.cut(found, schema))
    digest = hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    made = synth.value(world.derive, schema, task["id"], file["file_name"], digest)
    return made if isinstance(made, dict) else None


def _is_known(world: World, run: Object, task: Object, content: str, extraction: Object | None) -> bool:
    """Whether task and credential have this file already: by the fields that tell files apart, or by its bytes."""
    wish = task["storage"] or {}
    if not wish.get("deduplication"):
        return False
    telling = (wish.get("deduplication_schema") or {}).get("properties")
    for item in world.newest_first("storage"):
        of = world.find("task_runs", item["task_run_id"])
        if of is None or any(of[key] != run[key] for key in ("task_id", "credential_id")):
            continue
        if telling and extraction and item["extraction"]:
            if all(item["extraction"].get(name) == extraction.get(name) for name in telling):
                return True
        elif item["_content"] == content:
            return True
    return False
