"""The operators' port: `/metrics` and `/healthz` beside the probes. Nobody else should reach it, so it asks nobody."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from flask import Flask
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from .certificate import Certificate
from .figures import Figures, Watcher
from .health import health_of

JSON = "application/json"


class Port:
    """A WSGI app of four pages."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._health = health_of(app)
        self._watcher = Watcher(app)
        self._certificate = Certificate(self._health.parts.config.public_url)
        self._gauges = CollectorRegistry()
        self._gauges.register(self)
        self._counters = REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):  # several processes: whichever answers, answers for all
            self._counters = CollectorRegistry()
            MultiProcessCollector(self._counters)  # type: ignore[no-untyped-call]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        pages = {"/metrics": self.metrics, "/healthz": self.deep, "/readyz": self.ready, "/livez": self.live}
        page = pages.get(environ.get("PATH_INFO", "")) if environ["REQUEST_METHOD"] == "GET" else None
        status, type, body = page() if page else ("404 Not Found", JSON, {"status": "not found"})
        content = body if isinstance(body, bytes) else json.dumps(body, indent=1).encode() + b"\n"
        headers = [("Content-Type", type), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [content]

    # --- pages ---------------------------------------------------------------------------------------------

    def live(self) -> tuple[str, str, Any]:
        return "200 OK", JSON, {"status": "ok"}

    def ready(self) -> tuple[str, str, Any]:
        is_ready, checks = self._health.ready()
        status = "200 OK" if is_ready else "503 Service Unavailable"
        return status, JSON, {"status": "ready" if is_ready else "not ready", "checks": checks}

    def metrics(self) -> tuple[str, str, Any]:
        return "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._counters) + generate_latest(self._gauges)

    def deep(self) -> tuple[str, str, Any]:
        """Everything with its age. Always 200: it is for reading, and says itself whether all is well."""
        is_ready, checks = self._health.ready()
        figures = self._watcher.look()
        parts = self._health.parts
        return (
            "200 OK",
            JSON,
            {
                "ready": is_ready,
                "checks": checks,
                "inbox": {"waiting": figures.inbox, "oldest_seconds": seconds(figures.inbox_age)},
                "intents": {"pending": figures.intents, "oldest_seconds": seconds(figures.intent_age)},
                "runs": {"open": figures.runs, "stalest_seconds": seconds(figures.run_staleness)},
                "chores": {
                    name: {"done_seconds_ago": seconds(chore.age), "problem": chore.problem}
                    for name, chore in figures.chores.items()
                },
                "destination": {"problem": destination_problem(figures)},
                "webhooks_refused": self.refused(),
                "deck": {"budget_used": round(parts.budget.used(), 3), "resting": parts.budget.is_in_trouble},
            },
        )

    def refused(self) -> dict[str, dict[str, float]]:
        """Webhooks we did not take since the start, by reason."""
        found: dict[str, dict[str, float]] = {}
        for family in self._counters.collect():
            for sample in family.samples:
                if sample.name == "gangway_webhook_refused_timestamp_seconds":
                    found.setdefault(sample.labels["reason"], {})["seconds_ago"] = seconds(time.time() - sample.value)
                elif sample.name == "gangway_webhook_total" and sample.labels["result"] in REFUSED:
                    found.setdefault(sample.labels["result"], {})["count"] = sample.value
        return found

    # --- gauges, as they are now -----------------------------------------------------------------------------

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What prometheus_client asks of a collector."""
        parts, redis = self._health.parts, self._health.others()["redis"]
        yield gauge("deck_budget_used_ratio", "The share of our allowance at Deck used now.", parts.budget.used())
        yield gauge("breaker_state", "1 while Deck is left alone because it fails.", parts.budget.is_in_trouble)
        if redis != "none":
            yield gauge("redis_up", "Whether rings from other processes are heard.", redis == "heard")
        for name, changed_at in parts.config.secrets_changed:
            age = (time.time() - changed_at) / 86_400
            yield gauge("secret_age_days", "Since the file of a secret was changed.", age, setting=name)
        if (days := self._certificate.days_left()) is not None:
            yield gauge("cert_days_left", "Until the certificate at PUBLIC_URL runs out.", days)
        figures = self._watcher.look()
        yield gauge("db_up", "Whether the database could be asked.", figures.is_there)
        if figures.is_there:
            yield from self._of(figures)

    def _of(self, figures: Figures) -> Iterator[GaugeMetricFamily]:
        yield gauge("db_connections", "To the database, in use by this process.", figures.connections)
        yield gauge("inbox_backlog", "Events not acted on yet.", figures.inbox)
        yield gauge("inbox_oldest_age_seconds", "How long the first of them waits.", figures.inbox_age)
        yield gauges("intents_pending", "Writes at Deck that are not finished.", "kind", figures.intents)
        yield gauge("intent_oldest_seconds", "How long the first of them waits.", figures.intent_age)
        yield gauges("runs_open", "Runs that are not over.", "status", figures.runs)
        asking = figures.runs.get("interaction_required", 0)
        yield gauge("interaction_open", "Questions that wait for a person.", asking)
        stalest = figures.run_staleness
        yield gauge("run_staleness_seconds", "Since Deck confirmed the open run it confirmed longest ago.", stalest)
        ages = {name: chore.age for name, chore in figures.chores.items() if chore.age is not None}
        yield gauges("chore_age_seconds", "Since a chore last went well.", "chore", ages)
        problems = {name: float(bool(chore.problem)) for name, chore in figures.chores.items()}
        yield gauges("chore_problem", "1 while a chore has something to tell an operator.", "chore", problems)
        if "destination" in figures.chores:
            fine = not destination_problem(figures)
            yield gauge("destination_status", "1 while our webhook at Deck was found active.", fine)


REFUSED = {"bad_signature", "clock", "malformed"}


def destination_problem(figures: Figures) -> str:
    chore = figures.chores.get("destination")
    return chore.problem if chore else ""


def gauge(name: str, about: str, value: float, **labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"gangway_{name}", about, labels=list(labels))
    family.add_metric(list(labels.values()), float(value))
    return family


def gauges(name: str, about: str, label: str, values: dict[str, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"gangway_{name}", about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def seconds(value: float | None) -> Any:
    return None if value is None else round(value, 1)


# --- serving ---------------------------------------------------------------------------------------------------


def serve(app: Flask, listener: socket.socket) -> Callable[[], None]:
    """Show the pages on *listener* in the background; the returned function ends it."""
    from gevent import socket as cooperative
    from gevent.pywsgi import WSGIServer

    shared = cooperative.socket(listener.family, listener.type, fileno=os.dup(listener.fileno()))
    server = WSGIServer(shared, Port(app), log=None, error_log=None)
    server.start()
    return cast(Callable[[], None], server.stop)
