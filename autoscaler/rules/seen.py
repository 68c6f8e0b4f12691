"""What one look at a target's signals showed of its load and its replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.proposal import ARRIVED_REQUESTS, DEMAND_REPLICAS, MISSED_REQUESTS, USABLE_SHARE
from autoscaler.rules.outlook import Load

if TYPE_CHECKING:
    from autoscaler.rules.arrivals import Bin, Reading
    from autoscaler.rules.outlook import Outlook
    from autoscaler.rules.usable import Replica

_WORTH_SAYING = 1.25
"""Replicas so many times slower or faster than their coefficients are spoken of."""


class Seen(NamedTuple):
    """The load of one bin, and the replica that it meets."""

    reading: Reading
    bin_: Bin
    replica: Replica
    slowness: float
    missed: float
    """Requests of the bin."""

    @property
    def demand(self) -> float:
        """In fully used replicas."""
        return self.bin_.rate * self.replica.work_seconds

    @property
    def load(self) -> Load:
        """As the outlook wants it."""
        bin_ = self.bin_
        allowed_seconds = self.replica.allowed_seconds
        return Load(self.reading.at, bin_.seconds, self.demand, bin_.arrived, self.missed, allowed_seconds)

    def figures(self, usable: float) -> tuple[tuple[str, float], ...]:
        """Return what other rules may hear."""
        return (
            (DEMAND_REPLICAS, self.demand),
            (USABLE_SHARE, usable),
            (ARRIVED_REQUESTS, self.bin_.arrived),
            (MISSED_REQUESTS, self.missed),
        )

    def reason(self, outlook: Outlook, usable: float, horizon_seconds: float) -> str:
        """Return how a need came about, for a person."""
        work_ms, room = self.replica.work_seconds * 1e3, outlook.need - outlook.forecast
        reason = f"{self.bin_.rate:.3g} requests/s * {work_ms:.3g} ms = {self.demand:.3g} replicas full{self._slow}"
        return f"{reason}; in {horizon_seconds:.0f} s {outlook.forecast:.3g} + {room:.3g} / {usable:.2f}"

    @property
    def _slow(self) -> str:
        if self.slowness > _WORTH_SAYING:
            return f", {self.slowness:.1f} times as slow as stated"
        if self.slowness < 1.0 / _WORTH_SAYING:
            return f", {1.0 / self.slowness:.1f} times as fast as stated"
        return ""
