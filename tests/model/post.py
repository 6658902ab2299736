"""What may become of a webhook between Deck and us: the twin holds all of them back until somebody decides."""

from __future__ import annotations

import random
from typing import Any

from tests.deck.line import PowerCut
from tests.model.stage import Scene
from webapp.twin.events import INTACT

DOCUMENTED = (204, 401, 503)


class Post:
    """Deliveries on their way. Each is delivered, lost, repeated or forged."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.world = scene, scene.world
        self.arrived: list[dict[str, Any]] = []

    @property
    def waiting(self) -> list[str]:
        return self.world.rules.held

    def delivers(self, ids: list[str], **dressed: str) -> None:
        for id in ids:
            delivery = self.world.stores["event_deliveries"][id]
            delivery["_sends"] = [{"variant": "normal", **INTACT, **dressed}]
            if self._send(delivery, self.world.rules.release([id])) and not dressed:
                self.arrived.append(delivery)

    def delivers_in_order(self, seed: int) -> None:
        """Everything that waits: as it happened, the other way round, or in some order."""
        ids = list(self.waiting)
        if seed == 1:
            ids.reverse()
        elif seed > 1:
            random.Random(seed).shuffle(ids)
        self.delivers(ids)

    def repeats(self, nth: int) -> None:
        """Something that arrived comes once more."""
        delivery = self.arrived[nth % len(self.arrived)]
        delivery["_sends"] = [{"variant": "duplicate", **INTACT}]
        self._send(delivery, self.world.events.take(delivery))

    def loses(self, ids: list[str]) -> None:
        for id in ids:
            self.waiting.remove(id)
            self.world.stores["event_deliveries"][id]["_state"] = "dropped"

    def _send(self, delivery: dict[str, Any], shipments: list[Any]) -> bool:
        """Whether it was taken; what was properly signed is."""
        if not shipments:  # the destination is switched off
            return False
        self.scene.ours_moves(0.005)
        before = len(delivery["_attempts"])
        try:
            self.scene.deliverer.drain([[one] for one in shipments])
        except PowerCut:
            return False
        (attempt,) = delivery["_attempts"][before:]
        status = (attempt["response"] or {}).get("status")
        assert status in DOCUMENTED, f"I10 the webhook was answered {status}"
        is_forged = shipments[0].send["signature"] != "valid"
        assert status == (401 if is_forged else 204), f"I1 a webhook, forged {is_forged}, was answered {status}"
        if status == 204:
            self.scene.acknowledged.add(delivery["event_id"])
        return status == 204
