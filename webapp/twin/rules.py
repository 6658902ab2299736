"""What a network may do to deliveries: repeat, delay, swap, hold, lose or damage them.

Rules never make an event up: they only decide how one that happened arrives. All of it is plain data, decided under
the world's lock, so that the same script meets the same trouble.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from .actions import ACTIONS, DAMAGES, read_action, read_match, whole, wrong
from .clock import duration
from .errors import ControlError
from .events import INTACT, Shipment
from .matching import facts_about, fits
from .objects import Object

if TYPE_CHECKING:
    from .world import World

DETOURS = ("delay", "reorder", "hold", "drop")
"""Actions that decide whether and when: of several that match, the rule that was armed first has its way."""


class Rules:
    """The delivery rules in force, and what they keep back."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rules: dict[str, Object] = {}
        self.made = 0
        self.holds: list[Object] = []
        """Matches of what `POST /deliveries/hold` keeps back until the next release."""
        self.held: list[str] = []
        """Ids of held deliveries, in the order they fell due."""
        self.windows: dict[str, dict[str, list[str]]] = {}
        """Deliveries that wait to be reordered, by rule and destination."""
        self.shuffles = 0

    def kept(self) -> Rules:
        """The same rules for a world that starts over: what they kept back belongs to the old one."""
        self.held, self.windows = [], {}
        return self

    # --- the rules themselves ------------------------------------------------------------------------------

    def add(self, given: Object) -> Object:
        """Arm a rule; 422 says what would have worked."""
        action = read_action(given.get("action"))
        match = read_match(given.get("match", {}))
        count = whole(given.get("count"), "count", at_most=1_000_000) if given.get("count") is not None else None
        probability = given.get("probability", 1.0)
        if not isinstance(probability, int | float) or isinstance(probability, bool) or not 0 <= probability <= 1:
            raise wrong("probability is a number from 0 to 1")
        definition = json.dumps([match, action, count, probability], sort_keys=True)
        label = given.get("label") or hashlib.sha256(definition.encode()).hexdigest()[:16]
        if not isinstance(label, str):
            raise wrong("label is a text")
        self.made += 1
        rule: Object = {
            "id": f"rule_{self.made:04d}",
            "match": match,
            "action": action,
            "count": count,
            "probability": float(probability),
            "label": label,
            "hits": 0,
            "rolls": 0,
        }
        self.rules[rule["id"]] = rule
        return self.view(rule)

    def view(self, rule: Object) -> Object:
        left = None if rule["count"] is None else rule["count"] - rule["hits"]
        shown = {key: value for key, value in rule.items() if key != "rolls"}
        return {**shown, "remaining": left, "state": "spent" if left == 0 else "armed"}

    def clear(self, id: str | None) -> int:
        """Forget one rule or all of them; what they had collected to reorder goes out."""
        gone = [rule for rule in self.rules if id in (None, rule)]
        for rule in gone:
            for destination in list(self.windows.get(rule, {})):
                self.flush_window(rule, destination)
            del self.rules[rule]
        return len(gone)

    # --- what they do to a delivery --------------------------------------------------------------------------

    def let_pass(self, delivery: Object) -> bool:
        """Whether an attempt that is due may go out now. Rules are asked once in the life of a delivery."""
        if "_rules" not in delivery:
            delivery["_rules"] = []
            if not self.decide(delivery):
                return False
        if any(self.matches(match, delivery) for match in self.holds):
            self.hold(delivery)
            return False
        return True

    def decide(self, delivery: Object) -> bool:
        """Apply every rule that matches; whether the delivery may go on."""
        goes_on = True
        for rule in list(self.rules.values()):
            action = rule["action"]
            detour = action["type"] in DETOURS
            if (detour and not goes_on) or not self.concerns(rule, delivery):
                continue
            joins = bool(self.windows.get(rule["id"], {}).get(delivery["event_destination_id"]))
            if joins or self.hits(rule):
                delivery["_rules"].append(rule["id"])
                getattr(self, f"do_{action['type']}")(rule, action, delivery)
                goes_on = goes_on and not detour
        return goes_on

    def concerns(self, rule: Object, delivery: Object) -> bool:
        """Only webhooks are signed, so at other destinations nothing but the body can be tampered with."""
        action = rule["action"]
        if action["type"] == "sign" or (action["type"] == "tamper" and action["what"] != "body"):
            destination = self.world.find("event_destinations", delivery["event_destination_id"])
            if destination is None or destination["type"] != "webhook":
                return False
        return self.matches(rule["match"], delivery)

    def matches(self, match: Object, delivery: Object) -> bool:
        """Whether *delivery*, or what its event is about, is what *match* means."""
        if not match:
            return True
        facts = facts_about(self.world, self.world.stores["events"][delivery["event_id"]])
        facts["destination_id"] = [delivery["event_destination_id"]]
        return all(any(fits(have, wanted) for have in facts[key]) for key, wanted in match.items())

    def hits(self, rule: Object) -> bool:
        """Roll for it: the k-th roll of a label always falls the same."""
        if rule["count"] is not None and rule["hits"] >= rule["count"]:
            return False
        roll = self.world.derive.number("roll", rule["label"], rule["rolls"]) / 2**64
        rule["rolls"] += 1
        if roll >= rule["probability"]:
            return False
        rule["hits"] += 1
        return True

    def do_duplicate(self, rule: Object, action: Object, delivery: Object) -> None:
        delivery["_copies"] = {name: action[name] for name in ACTIONS["duplicate"]}

    def do_tamper(self, rule: Object, action: Object, delivery: Object) -> None:
        """The first attempt arrives damaged; retries are as they should be, as after a bad line."""
        delivery["_damage"] = {**delivery.get("_damage", {}), **DAMAGES[action["what"]]}

    def do_treat_as_failed(self, rule: Object, action: Object, delivery: Object) -> None:
        delivery["_disbelieve"] = action["times"]

    def do_sign(self, rule: Object, action: Object, delivery: Object) -> None:
        """Every attempt is signed by that clock: retries, copies and redeliveries too."""
        delivery["_signed_by"] = action["timestamp"]

    def do_drop(self, rule: Object, action: Object, delivery: Object) -> None:
        delivery["_state"] = "dropped"
        self.tell(delivery)

    def do_delay(self, rule: Object, action: Object, delivery: Object) -> None:
        self.world.events.wait(delivery, duration(action["by"]))

    def do_hold(self, rule: Object, action: Object, delivery: Object) -> None:
        self.hold(delivery)

    def do_reorder(self, rule: Object, action: Object, delivery: Object) -> None:
        destination = delivery["event_destination_id"]
        window = self.windows.setdefault(rule["id"], {}).setdefault(destination, [])
        window.append(delivery["id"])
        if len(window) >= action["window"]:
            self.flush_window(rule["id"], destination)
        elif len(window) == 1:
            wait = duration(action["max_hold"])
            self.world.clock.after(wait, "rules.max_hold", rule_id=rule["id"], destination_id=destination)

    def sends(self, delivery: Object) -> list[Object]:
        """How the next attempt of *delivery* is to be sent; its spaced copies are put on the clock."""
        first = {"variant": "normal", **INTACT, **delivery.pop("_damage", {})}
        copies = delivery.pop("_copies", None)
        again = self.copies(delivery, {**INTACT, "variant": "duplicate"}, **copies) if copies else []
        return [first, *again]

    def copies(self, delivery: Object, send: Object, *, times: int, concurrent: bool, spacing: str) -> list[Object]:
        """*send* as often as makes *times* with the one before it; with spacing they come later by the clock."""
        wait = duration(spacing)
        if not wait:
            return [{**send, "alongside": concurrent} for _ in range(times - 1)]
        for nth in range(1, times):
            self.world.clock.after(wait * nth, "events.copy_due", of=delivery["id"], send=dict(send))
        return []

    # --- letting go ------------------------------------------------------------------------------------------

    def on_max_hold(self, rule_id: str, destination_id: str) -> None:
        self.flush_window(rule_id, destination_id)

    def flush(self) -> int:
        """Let every unfilled window go, because nothing more is coming; how many deliveries that sets free."""
        open_windows = [(rule, destination) for rule, windows in self.windows.items() for destination in windows]
        return sum(self.flush_window(rule, destination) for rule, destination in open_windows)

    def flush_window(self, rule_id: str, destination_id: str) -> int:
        """Put what a window collected on its way, in the order its rule likes."""
        ids = self.windows.get(rule_id, {}).pop(destination_id, [])
        self.world.clock.drop(rule_id=rule_id, destination_id=destination_id)
        order = self.rules[rule_id]["action"]["order"] if rule_id in self.rules else "fifo"
        for id in self.ordered(ids, order, self.rules[rule_id]["label"] if rule_id in self.rules else ""):
            self.world.events.due(self.world.stores["event_deliveries"][id])
        return len(ids)

    def ordered(self, ids: list[str], order: Any, label: str) -> list[str]:
        """*ids* as `fifo`, `reverse` (or `lifo`), in a seeded `shuffle`, or by a list of positions."""
        if isinstance(order, list):
            return [ids[position] for position in order if position < len(ids)]
        if order == "shuffle":
            self.shuffles += 1
            return sorted(ids, key=lambda id: self.world.derive.number("shuffle", label, self.shuffles, id))
        return ids[::-1] if order in ("reverse", "lifo") else list(ids)

    def hold(self, delivery: Object) -> None:
        delivery["_state"] = "held"
        self.held.append(delivery["id"])
        self.tell(delivery)

    def tell(self, delivery: Object) -> None:
        """Whoever listens hears that it was kept back."""
        self.world.stream.delivery(delivery, self.world.stores["events"][delivery["event_id"]])

    def hold_back(self, match: Object) -> int:
        """Hold what matches from now on, and what is on its way already; how many were caught."""
        match = read_match(match)
        self.holds.append(match)
        outbox, caught = self.world.outbox, 0
        for _ in range(len(outbox)):
            delivery = self.world.stores["event_deliveries"][outbox.popleft()]
            if delivery["_state"] == "pending" and self.matches(match, delivery):
                self.hold(delivery)
                caught += 1
            else:
                outbox.append(delivery["id"])
        return caught

    def release(self, order: Any) -> list[Shipment]:
        """Take what is held in the order asked for. A list of ids takes only those; anything else ends the holds."""
        if isinstance(order, list):
            if strangers := [id for id in order if id not in self.held]:
                raise ControlError(409, "precondition_failed", f"{strangers[0]!r} is not held", held=self.held)
            if len(set(order)) < len(order):
                raise wrong("order names a delivery twice")
            ids = order
        elif order in ("fifo", "lifo", "shuffle"):
            self.holds = []
            ids = self.ordered(self.held, order, "release")
        else:
            raise wrong("order is fifo, lifo, shuffle or a list of deliveries")
        self.held = [id for id in self.held if id not in ids]
        shipments: list[Shipment] = []
        for id in ids:
            delivery = self.world.stores["event_deliveries"][id]
            delivery["_state"] = "pending"
            delivery["_sends"] = delivery["_sends"] or self.sends(delivery)
            while delivery["_sends"]:
                shipments += self.world.events.take(delivery)
        return shipments
