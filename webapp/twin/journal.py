"""The journal: every request to the vendor plane, what was answered, and why.

Secrets are kept as `[redacted]` and a keyed digest, so that equality can be tested and nothing can be read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .effects import LONGEST_BODY
from .errors import ControlError
from .matching import ENTITIES, differences
from .objects import Object

if TYPE_CHECKING:
    from .world import World

MOST_KEPT = 10_000
"""Of more requests than this the oldest are forgotten."""
NEAR_MISSES = 3

SECRET = re.compile(
    r"pass(word|phrase)|secret|token|authorization|cookie|credential_json|connection_string"
    r"|(api|access|account|private|shared)_?-?key|^source_fields$",
    re.IGNORECASE,
)
"""Names whose values are secrets, wherever they stand."""
ANSWERS = ("task_runs.interaction",)
"""Operations whose `input` holds somebody's one-time codes and answers."""
IN_A_URL = re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)|(?<=signature=)[^&\s]+")


class Journal:
    """What was asked and answered, oldest first. Whoever calls it holds the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.entries: deque[Object] = deque(maxlen=MOST_KEPT)
        self.arrived = threading.Condition(world.lock)
        """Rings when a request has been recorded."""
        self.bindings: dict[str, Object] = {}
        """Why runs came out as they did, by run: what is known of that while a value binds."""

    def record(self, entry: Object, facts: Object) -> None:
        """Take note of a request; *facts* are what it can be found by."""
        operation = entry["operation"] or ""
        entry["body"] = self.redact(entry["body"], operation)
        entry["query"] = self.redact(entry["query"], operation)
        entry["headers"] = self.redact(facts["header"], operation)
        answered = entry["response"]["body"]
        entry["response"]["body"] = self.redact(answered, operation)
        input = entry["body"].get("input") if isinstance(entry["body"], dict) else None
        entry["_facts"] = {**facts, "header": entry["headers"], "body": entry["body"], "input": input}
        if isinstance(answered, dict):
            self._also_by_its_answer(entry["_facts"], answered)
        self.entries.append(entry)
        self.world.stream.request(entry)
        self.arrived.notify_all()

    @staticmethod
    def _also_by_its_answer(facts: Object, answered: Object) -> None:
        """A create is found by what it created, too."""
        for key, value in [("id", answered.get("id")), *((key, answered.get(key)) for key in ENTITIES)]:
            if isinstance(value, str) and value not in facts[key]:
                facts[key] = [*facts[key], value]

    def requests(
        self, *, since_seq: int = 0, limit: int = MOST_KEPT, unmatched: bool = False, **filters: str | None
    ) -> list[Object]:
        """Requests later than *since_seq*, oldest first; filters are operation, method, path, status and fault."""
        found = [
            shown(entry)
            for entry in self.entries
            if entry["seq"] > since_seq
            and (not unmatched or entry["operation"] is None)
            and all(wanted is None or str(_column(entry, name)) == wanted for name, wanted in filters.items())
        ]
        return found[:limit]

    def clear(self) -> int:
        gone = len(self.entries)
        self.entries.clear()
        return gone

    # --- verification --------------------------------------------------------------------------------------

    def verify(self, match: Object, count: Object, *, wait: float = 0.0) -> list[int]:
        """The numbers of the requests that match, if they are as many as *count* says; 409 otherwise.

        With *wait*, up to so many real seconds are spent waiting for the count to be reached, or, where there is only
        an upper bound, for it to be broken.
        """

        def matching() -> list[int]:
            return [entry["seq"] for entry in self.entries if not self._differences(entry, match)]

        def decided() -> bool:
            return right(len(matching()), count) is not only_upper

        only_upper = set(count) == {"at_most"}
        if wait:
            self.arrived.wait_for(decided, timeout=wait)
        seqs = matching()
        if not right(len(seqs), count):
            detail: Object = {"expected": count, "actual": len(seqs), "near_misses": self._near_misses(match)}
            text = f"{len(seqs)} requests match, expected {count}"
            raise ControlError(409, "verification_failed", text, hint="near_misses tells what differs", **detail)
        return seqs

    def verify_sequence(self, matches: list[Object], *, strict: bool = False) -> list[int]:
        """The numbers of requests that match one after the other; with *strict*, without any other between them."""
        entries = list(self.entries)
        best: list[int] = []
        for start in range(len(entries)) if strict else [0]:
            seqs: list[int] = []
            for entry in entries[start:]:
                if len(seqs) < len(matches) and not self._differences(entry, matches[len(seqs)]):
                    seqs.append(entry["seq"])
                elif strict:
                    break
            if len(seqs) > len(best):
                best = seqs
            if len(best) == len(matches):
                return best
        missing = matches[len(best)]
        detail: Object = {"found": best, "missing": {"index": len(best), "match": missing}}
        text = f"nothing matches number {len(best)} of the sequence"
        raise ControlError(409, "verification_failed", text, near_misses=self._near_misses(missing), **detail)

    def _near_misses(self, match: Object) -> list[Object]:
        """The requests that miss by the fewest differences, the latest of equals first."""
        misses = [{"seq": e["seq"], "differs": d} for e in self.entries if (d := self._differences(e, match))]
        return sorted(misses, key=lambda miss: (len(miss["differs"]), -miss["seq"]))[:NEAR_MISSES]

    def _differences(self, entry: Object, match: Object) -> list[Object]:
        """Secrets in *match* are compared with secrets in the entry by their digests."""
        operation = entry["operation"] or ""
        plain = {key: value for key, value in match.items() if key not in ("input", "body", "header")}
        for key in ("body", "header"):
            if key in match:
                plain[key] = self.redact(match[key], operation)
        if "input" in match:
            plain["input"] = self.redact({"input": match["input"]}, operation)["input"]
        return differences(entry["_facts"], plain)

    # --- why an answer was as it was -----------------------------------------------------------------------

    def bound(self, run: Object, path: str, pin_id: str | None, beat: list[str], problem: Object | None = None) -> None:
        """Take note that *path* of a run is being decided, by a pin unless *pin_id* is None, or what was wrong."""
        known = self.bindings.setdefault(run["id"], {"branch": {"arm": None, "source": "default"}, "fields": []})
        found = run.get("_found") or {}
        known["output"] = "site" if found.get("output") else "synth"
        known["branch"]["arm"] = run.get("_arm")
        told = {"source": "pin", "pin_id": pin_id, "beat": beat, **({"problem": problem} if problem else {})}
        if pin_id and path == "branch":
            known["branch"] |= told
        elif pin_id:
            known["fields"].append({"path": path, **told})
        if found and known["branch"]["source"] == "default":
            known["branch"]["source"] = "site"
        if len(self.bindings) > MOST_KEPT:
            del self.bindings[next(iter(self.bindings))]

    def trace(self, id: str) -> Object:
        """Why the call was answered so. The trace of a run grows until the run is over: values bind later."""
        entry = next((entry for entry in self.entries if entry["trace_id"] == id), None)
        if entry is None:
            raise ControlError(404, "unknown_field", f"no trace {id!r}", hint="it comes as X-Mock-Resolution-Trace")
        answered = entry["response"]["body"]
        about = answered if isinstance(answered, dict) and answered.get("object") == "task_run" else {}
        run = self.world.find("task_runs", about.get("id")) or {"id": None}
        known = self.bindings.get(run["id"])
        return {
            "id": id,
            "request_id": entry["request_id"],
            "fault": entry["fault_id"],
            "branch": known["branch"] if known else None,
            "fields": fields_of(run, known) if known else [],
        }

    # --- secrets -------------------------------------------------------------------------------------------

    def redact(self, value: Any, operation: str = "") -> Any:
        """A copy of *value* without its secrets."""
        if isinstance(value, dict):
            secret = operation in ANSWERS and "input" in value
            return {
                name: each_leaf(part, self._digested)
                if SECRET.search(name) or (secret and name == "input")
                else self.redact(part)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.redact(part) for part in value]
        return IN_A_URL.sub(lambda found: self._digested(found[0]), value) if isinstance(value, str) else value

    def _digested(self, value: Any) -> Any:
        """`[redacted]` and a digest under the admin key; nothing stays nothing, and a scheme stays readable."""
        if value in (None, ""):
            return value
        scheme, _, rest = value.partition(" ") if isinstance(value, str) else ("", "", "")
        if rest and scheme in ("Bearer", "Basic"):
            return f"{scheme} {self._digested(rest)}"
        text = f"redacted|{json.dumps(value, sort_keys=True)}"
        digest = hmac.digest(self.world.admin_key.encode(), text.encode(), hashlib.sha256)
        return f"[redacted] {digest.hex()[:16]}"


def kept_body(raw: bytes) -> Any:
    """A request's body as far as the journal keeps it: it may hold a secret where it is not JSON."""
    if not raw:
        return None
    if len(raw) > LONGEST_BODY:
        return f"[{len(raw)} bytes]"
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return f"[{len(raw)} bytes, not JSON]"


def each_leaf(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: each_leaf(part, change) for name, part in value.items()}
    if isinstance(value, list):
        return [each_leaf(part, change) for part in value]
    return change(value)


def shown(entry: Object) -> Object:
    return {name: value for name, value in entry.items() if not name.startswith("_")}


def _column(entry: Object, name: str) -> Any:
    return entry["response"]["status"] if name == "status" else entry["fault_id" if name == "fault" else name]


def right(actual: int, count: Object) -> bool:
    """Whether *actual* is as *count* says: `exactly`, `at_least`, `at_most`."""
    exactly, least, most = (count.get(name, actual) for name in ("exactly", "at_least", "at_most"))
    return bool(actual == exactly and least <= actual <= most)


def fields_of(run: Object, known: Object) -> list[Object]:
    """What was bound for the run so far, and where each value came from: a pin, the site, or made up."""
    rows = [*known["fields"]]
    pinned = {row["path"] for row in rows}
    output = run["output"]
    if "output" in pinned or output is None:
        return rows
    paths = [f"output.{name}" for name in output] if isinstance(output, dict) else ["output"]
    return rows + [{"path": path, "source": known["output"]} for path in paths if path not in pinned]
