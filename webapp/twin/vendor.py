"""The vendor plane: Deck's paths, shapes and refusals under /v2."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from . import line
from .clock import moment, parse_moment
from .derive import Derive
from .effects import Reply, spoil
from .errors import ValidationProblem, VendorError, not_found
from .faults import Strike
from .journal import kept_body
from .matching import facts_of
from .objects import Object
from .world import World

MAX_KEY = 256
MAX_BODY = 1_000_000


@dataclass(frozen=True)
class Real:
    """What the twin needs of real time: handed in, because the engine has none of its own."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], object]

    def wait(self, span: timedelta) -> None:
        if span:
            self.sleep(span.total_seconds())


@dataclass(frozen=True)
class Call:
    """One request being answered: the world and what the caller sent."""

    world: World
    args: dict[str, str]
    raw: bytes

    def filter(self, name: str) -> list[str]:
        """Every value of an array filter: repeated, comma-joined or written `name[]`."""
        given = [*request.args.getlist(name), *request.args.getlist(f"{name}[]")]
        return [part for value in given for part in value.split(",") if part]

    def find(self, kind: str, id: object, *, as_: str) -> Object:
        """The object, or Deck's 404 `<as_>_not_found`."""
        found = self.world.find(kind, id)
        if found is None:
            raise not_found(as_)
        return found


Answer = tuple[int, Object]
Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Operation:
    """A row of the endpoint table."""

    name: str
    method: str
    path: str
    handler: Handler
    fidelity: str = "semantic"


OPERATIONS: list[Operation] = []


def operation(name: str, method: str, path: str) -> Callable[[Handler], Handler]:
    """Register a handler as the operation *name*, such as `task_runs.create`."""

    def register(handler: Handler) -> Handler:
        OPERATIONS.append(Operation(name, method, path, handler))
        return handler

    return register


def plane(world: World, *, changed: Callable[[], None], real: Real) -> Blueprint:
    """The /v2 blueprint of *world*; *changed* is called after every call that may have changed it."""
    from . import endpoints  # noqa: F401  (registers the operations)

    bp = Blueprint("vendor", __name__, url_prefix="/v2")
    for op in OPERATIONS:
        view = _answering(world, op, changed, real)
        bp.add_url_rule(op.path, op.name.replace(".", "_"), view, methods=[op.method])
    return bp


def refuse_with_deck_errors(app: Flask, world: World, *, real: Real) -> None:
    """An unknown route is a 404 with no body at all, and so is every other HTTP refusal."""

    @app.errorhandler(HTTPException)
    def nothing_there(error: HTTPException) -> Response:
        if not request.path.startswith("/v2/"):
            return Response(status=error.code or 500)
        with world.lock:
            exchange = Exchange(world, None, {}, real)
            reply = Reply(error.code or 500, text="", content_type="text/html; charset=utf-8")
            if not authorised(world):
                reply = Reply(401, envelope(bad_key(), exchange.request_id))
            exchange.record(reply)
        return answer(reply, exchange.trace_id)


def _answering(world: World, op: Operation, changed: Callable[[], None], real: Real) -> Callable[..., Response]:
    def view(**args: str) -> Response:
        with world.lock:
            exchange = Exchange(world, op, args, real)
            exchange.begin()
        real.wait(exchange.strike.wait("before", "real"))
        with world.lock:
            reply = exchange.perform()
            exchange.record(reply)
        if op.method != "GET" or exchange.strike.waits:
            changed()
        real.wait(exchange.strike.wait("after", "real"))
        if reply.line:
            request.environ[line.EFFECT] = reply.line
        return answer(reply, exchange.trace_id)

    return view


class Exchange:
    """One request and what becomes of it. Its steps are taken under the world's lock, its real waits outside.

    A bad key is refused before any other check, then a spent budget; only then do faults strike.
    """

    def __init__(self, world: World, op: Operation | None, args: dict[str, str], real: Real) -> None:
        self.world, self.op, self.args, self.real = world, op, args, real
        self.raw = request.get_data(cache=False) if (request.content_length or 0) <= MAX_BODY else b""
        self.began, self.epoch, self.at = real.monotonic(), world.epoch, moment(world.clock.now)
        world.seq += 1
        self.seq = world.seq
        self.request_id = world.derive.next_id("req", length=12)
        self.trace_id = world.derive.next_id("trc", length=12)
        self.strike = Strike()
        self.refusal: VendorError | None = None
        self.replayed = False
        self.caused: list[str] = []
        self.body = kept_body(self.raw)
        self.facts = facts_of(
            world,
            op.name if op else "",
            op.path if op else "",
            args,
            method=request.method,
            path=request.path,
            query=request.args.to_dict(flat=False),
            headers=dict(request.headers),
            body=self.body,
        )

    def begin(self) -> None:
        """Decide what goes wrong; virtual waits are over when this returns."""
        try:
            if not authorised(self.world):
                raise bad_key()
            self.world.budget.spend()
        except VendorError as error:
            self.refusal = error
            return
        self.strike = self.world.faults.strike(self.facts, self.request_id)
        self._let_time_pass("before")

    def perform(self) -> Reply:
        """Do what was asked, unless a fault prevents it, and spoil the answer, if one does that."""
        if self.world.epoch != self.epoch:  # a reset came while this request was held up
            return Reply(None, line={"how": "close"})
        if self.refusal:
            return Reply(self.refusal.status, envelope(self.refusal, self.request_id))
        effect = self.strike.effect
        if effect and self.strike.when == "before":
            return spoil(effect, None, self.request_id)
        reply = self._handled()
        self._let_time_pass("after")
        return spoil(effect, reply, self.request_id) if effect else reply

    def record(self, reply: Reply) -> None:
        """Enter it in the journal, unless its world is gone."""
        if self.world.epoch != self.epoch:
            return
        entry = {
            "seq": self.seq,
            "request_id": self.request_id,
            "at": self.at,
            "method": request.method,
            "path": request.path,
            "operation": self.op.name if self.op else None,
            "query": request.args.to_dict(),
            "body": self.body,
            "response": {"status": reply.status, "body": reply.kept_body(), "line": reply.line and reply.line["how"]},
            "idempotent_replay": self.replayed,
            "fault_id": self.strike.fault_id,
            "trace_id": self.trace_id,
            "caused": self.caused,
            "real_ms": round((self.real.monotonic() - self.began) * 1000),
        }
        self.world.journal.record(entry, self.facts)

    def _handled(self) -> Reply:
        world, op = self.world, self.op
        assert op is not None
        before = len(world.events.history)
        try:
            status, body = self._once_per_key(op)
        except VendorError as error:
            status, body = error.status, envelope(error, self.request_id)
        except ValidationProblem as problem:
            status, body = 400, problem_body(world, problem)
        finally:
            world.idempotency_key = ""
        self.caused = [event["id"] for event in world.events.history.since(before)]
        return Reply(status, body)

    def _once_per_key(self, op: Operation) -> Answer:
        """Run the operation once per key: a repeat gets the first answer back, verbatim."""
        world = self.world
        key = request.headers.get("Idempotency-Key", "") if op.method != "GET" else ""
        if len(key) > MAX_KEY:
            text = "Idempotency key must be at most 256 characters"
            raise VendorError(400, "idempotency", "idempotency_key_error", text)
        fingerprint = _fingerprint(op, self.args, self.raw)
        kept = world.idempotency.get(key) if key else None
        if kept and parse_moment(kept["at"]) + world.clock.span("idempotency_ttl") > world.clock.now:
            if kept["fingerprint"] != fingerprint:
                text = "Idempotency key has already been used with different parameters."
                raise VendorError(409, "idempotency", "idempotency_error", text)
            self.replayed = True
            return kept["status"], kept["body"]
        world.idempotency_key = key
        with world.events.because("request", self.request_id):
            status, body = op.handler(Call(world, self.args, self.raw))
        body = {**body, "request_id": self.request_id}
        if key:
            at = moment(world.clock.now)
            world.idempotency[key] = {"fingerprint": fingerprint, "status": status, "body": body, "at": at}
        return status, body

    def _let_time_pass(self, when: str) -> None:
        if wait := self.strike.wait(when, "virtual"):
            self.world.pass_time(self.world.clock.now + wait)


def authorised(world: World) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {world.api_key}".encode())


def bad_key() -> VendorError:
    return VendorError(401, "request", "api_key_invalid", "The API key is not valid.")


def _fingerprint(op: Operation, args: dict[str, str], raw: bytes) -> str:
    """Method, path and canonical body, digested: the body may hold a password, so it is not kept."""
    try:
        canonical = json.dumps(json.loads(raw), sort_keys=True)
    except (ValueError, RecursionError):
        canonical = repr(raw)
    return Derive("fingerprint").digest(op.method, op.path, sorted(args.items()), canonical).hex()


def envelope(error: VendorError, request_id: str) -> Object:
    return {"errors": [error.element()], "request_id": request_id}


def problem_body(world: World, problem: ValidationProblem) -> Object:
    trace = world.derive.digest("trace", world.seq).hex()
    return {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "Invalid input",
        "status": 400,
        "errors": problem.errors,
        "traceId": f"00-{trace[:32]}-{trace[32:48]}-00",
    }


def answer(reply: Reply, trace_id: str) -> Response:
    """The response; its trace says why it is as it is: GET /__admin__/trace/{id}."""
    headers = {**reply.headers, "X-Mock-Resolution-Trace": trace_id}
    return Response(reply.content(), reply.status or 200, headers=headers, content_type=reply.content_type)
