"""Somebody who reads the log as it would have been written."""

from __future__ import annotations

import json
import logging
from typing import Any

from webapp import logs


class Reader(logging.Handler):
    """Writes each record down at once: a request's id is known while the request lasts."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[str] = []
        self.records: list[logging.LogRecord] = []
        self.setFormatter(logs.Line())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.raw.append(self.format(record))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.raw) if line["event"] == event]
