"""A measured figure and the promise it is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf


@dataclass(frozen=True)
class Figure:
    """`at_most` and `measured` are in `unit`."""

    what: str
    measured: float
    at_most: float
    unit: str

    @property
    def kept(self) -> bool:
        return self.measured <= self.at_most

    @property
    def promise(self) -> str:
        return "" if isinf(self.at_most) else f"<= {self.at_most:g} {self.unit}"

    @property
    def shown(self) -> str:
        return f"{self.measured:.3g} {self.unit}" if self.measured < 1000 else f"{self.measured:.0f} {self.unit}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which *share* (0 to 1) of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
