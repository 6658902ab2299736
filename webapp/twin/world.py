"""What the twin remembers, and time passing in it. No sockets, no threads of its own, no real clock."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from typing import Any

from . import seeds
from .budget import Budget
from .clock import Clock, duration, moment, parse_moment
from .columns import Columns
from .credentials import Credentials
from .derive import Derive
from .errors import ControlError
from .events import Events
from .faults import Faults
from .journal import Journal
from .log import EventLog
from .objects import KINDS, Object, Store, put_in_order, rest_view
from .pins import Pins
from .rules import Rules
from .runs import Runs
from .sites import Sites
from .snapshots import Snapshots
from .stream import Stream
from .world_events import TIMERS, WorldEvents

DRAIN_LIMIT = 10_000
API_KEY = "sk_live_twin"
ADMIN_KEY = "twa_twin"


class World:
    """One Deck organisation.

    Whoever calls it holds `lock`. Deliveries are put on `outbox`; somebody else sends them, outside the lock,
    and reports back with `events.delivered`.
    """

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        admin_key: str = ADMIN_KEY,
        seed: str | None = None,
        t0: datetime | None = None,
    ) -> None:
        self.api_key, self.admin_key = api_key, admin_key
        self.lock = threading.RLock()
        self.epoch = 0
        self.seq = 0
        self.derive = Derive()
        self.clock = Clock()
        self.stores: dict[str, Store] = {}
        self.pins = Pins(self)
        self.rules = Rules(self)
        self.faults = Faults(self)
        self.snapshots = Snapshots(self)
        self.stream = Stream()
        self.reset(seed=seed, t0=t0)

    def reset(self, *, seed: str | None = None, t0: datetime | None = None, keep: Collection[str] = ()) -> None:
        """A new epoch: everything forgotten but the keys, the seed, the clock's mode and what is in *keep*.

        *keep* may name `durations`, `destinations`, `pins` and `delivery_rules`.
        """
        self.epoch += 1
        self.derive = Derive(seed or self.derive.seed)
        before, self.clock = self.clock, Clock(t0 or self.clock.t0)
        self.clock.mode, self.clock.rate = before.mode, before.rate
        if "durations" in keep:
            self.clock.durations, self.clock.delivery_retry = before.durations, before.delivery_retry
        destinations: Store = self.stores["event_destinations"] if "destinations" in keep else {}
        self.pins = self.pins if "pins" in keep else Pins(self)
        self.faults = self.faults if "faults" in keep else Faults(self)
        self.journal = Journal(self)
        self.budget = Budget(self)
        self.columns = Columns()
        self.stores = {kind: EventLog() if kind == "events" else {} for kind in KINDS}
        self.stores["event_destinations"] = destinations
        self.idempotency: dict[str, dict[str, Any]] = {}
        self.idempotency_key = ""
        """The key of the call being answered: ids made under it do not depend on what else was created first."""
        self.outbox: deque[str] = deque()
        self.sites = Sites()
        self.rules = self.rules.kept() if "delivery_rules" in keep else Rules(self)
        self.events = Events(self)
        self.credentials = Credentials(self)
        self.runs = Runs(self)
        self.world_events = WorldEvents(self)

    # --- objects -------------------------------------------------------------------------------------------

    def add(self, kind: str, fields: Object, *, id: str | None = None) -> Object:
        """Put a new object of *kind* into its store, with an id, its `object` word and both times."""
        new_id = id or self.new_id(kind)
        now = moment(self.clock.tick())
        item = {"id": new_id, "object": KINDS[kind].word, **fields, "created_at": now, "updated_at": now}
        store = self._plain(kind)
        newest = next(reversed(store.values()), None)
        store[new_id] = item
        if newest and newest["created_at"] > now:  # something was seeded into the future
            put_in_order(store)
            self.columns = Columns()
        return item

    def new_id(self, kind: str) -> str:
        prefix = KINDS[kind].prefix
        while True:
            key = self.idempotency_key
            id = self.derive.keyed_id(prefix, "key", key) if key else self.derive.next_id(prefix)
            if id not in self.stores[kind]:
                return id

    def touch(self, item: Object, **changes: Any) -> Object:
        """Change an object at its own moment."""
        item.update(changes, updated_at=moment(self.clock.tick()))
        return item

    def find(self, kind: str, id: object) -> Object | None:
        item = self.stores[kind].get(id) if isinstance(id, str) else None
        return item if item and item["created_at"] >= self._kept_since(kind) else None

    def newest_first(self, kind: str, *, until: str = "", types: Collection[str] = ()) -> Iterable[Object]:
        """Deck does not document the order of lists; newest first is the natural reading. Stores keep it backwards.

        What is later than the moment *until* is left out, and of events those of other *types*.
        """
        since = self._kept_since(kind)
        items: Iterable[Object]
        if kind == "events":
            items = self.events.history.newest_first(types=types, until=until)
        elif until:
            rows = list(self.stores[kind].values())
            items = reversed(rows[: bisect_right(rows, until, key=itemgetter("created_at"))])
        else:
            items = reversed(self._plain(kind).values())
        return takewhile(lambda item: item["created_at"] >= since, items) if since else items

    def _plain(self, kind: str) -> dict[str, Object]:
        """The store of *kind*, which is not the event log's."""
        store = self.stores[kind]
        assert isinstance(store, dict)
        return store

    def _kept_since(self, kind: str) -> str:
        """Objects from before this moment cannot be read any more; "" when they are kept for good."""
        kept = KINDS[kind].kept
        return moment(self.clock.now - kept) if kept else ""

    # --- time ----------------------------------------------------------------------------------------------

    def fire_next(self, until: datetime) -> str | None:
        """Let the next timer due by *until* happen; its name, or None when nothing is due."""
        timer = self.clock.due(until)
        if timer is None:
            return None
        room, verb = timer.name.split(".")
        with self.events.because("timer", TIMERS.get(timer.name, (timer.name,))[0]):
            getattr(getattr(self, room), f"on_{verb}")(**timer.args)
        return timer.name

    def pass_time(self, until: datetime) -> None:
        """Let everything due by *until* happen, then make it *until*."""
        for _ in range(DRAIN_LIMIT):
            if self.fire_next(until) is None:
                self.clock.now = max(self.clock.now, until)
                return
        raise ControlError(500, "drain_limit", f"more than {DRAIN_LIMIT} things happened without an end")

    def set_durations(self, named: dict[str, Any]) -> None:
        retries = named.get("delivery_retry", self.clock.delivery_retry)
        if not isinstance(retries, list):
            raise ControlError(422, "invalid_duration", "delivery_retry is a list of durations")
        single = {name: value for name, value in named.items() if name != "delivery_retry"}
        for name in single:
            if name not in self.clock.durations:
                known = ", ".join([*self.clock.durations, "delivery_retry"])
                raise ControlError(422, "unknown_field", f"no duration is called {name}", hint=f"known: {known}")
        for value in [*retries, *single.values()]:
            try:
                duration(value)
            except ValueError as error:
                raise ControlError(422, "invalid_duration", str(error)) from error
        self.clock.durations.update(single)
        self.clock.delivery_retry = list(retries)

    # --- seed and state ------------------------------------------------------------------------------------

    def seed(
        self, objects: dict[str, list[Object]], *, mode: str = "insert", strict: bool = True, under_way: bool = False
    ) -> dict[str, list[str]]:
        """Put ready-made objects in place: no events, no timers unless they are *under_way*."""
        self.columns = Columns()  # seeded runs come before others or in their place
        return seeds.plant(self, objects, mode=mode, strict=strict, under_way=under_way)

    def state(self) -> dict[str, list[Object]]:
        """Every object as Deck would show it; secrets never appear."""
        return {kind: [rest_view(kind, item) for item in store.values()] for kind, store in self.stores.items()}

    def state_hash(self) -> str:
        canonical = json.dumps([moment(self.clock.now), self.state()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def at(self, text: str) -> datetime:
        try:
            return parse_moment(text)
        except (ValueError, TypeError) as error:
            raise ControlError(422, "invalid_time", f"{text!r} is not an ISO-8601 time with a zone") from error
