"""What a gateway's metrics show: the requests that it holds, or, of one that holds none, whom it turned away lately."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.signals.gateways import WAKE_SECONDS
from autoscaler.simulator import kernel

if TYPE_CHECKING:
    from autoscaler.simulator.fleet import SimulatedFleet


class Gateway:
    """Looks at a fleet's gateway, at every scrape."""

    def __init__(self, fleet: SimulatedFleet) -> None:
        self._fleet = fleet
        self._retries = deque([(-math.inf, 0)])
        model = fleet.model
        patience_seconds = model.timeout_seconds if math.isfinite(model.timeout_seconds) else 0.0
        self._longest_seconds = WAKE_SECONDS + model.retries * (model.retry_seconds + patience_seconds)

    def requests(self) -> int:
        """Return the value of `gatewayRequests` now.

        A gateway that may hold nothing shows those that were turned away within the last minute, each try of theirs,
        as the query for Envoy does: they are who waits.
        """
        if self._fleet.model.gateway_limit > 0:
            return self._fleet.gateway_waiting()
        return self._refused() + self._tried_again()

    def _refused(self) -> int:
        """Return how many requests were lost for good within the window."""
        results, now = self._fleet.results(), self._fleet.now
        arrived = slice(*np.searchsorted(results.arrival, (now - self._longest_seconds, now), side="right").tolist())
        lost = results.outcome[arrived] == kernel.REJECTED
        return int(np.count_nonzero(lost & (results.finish[arrived] > now - WAKE_SECONDS)))

    def _tried_again(self) -> int:
        """Return how often a client tried again, or will, after it was turned away within the window."""
        now, total = self._fleet.now, self._fleet.retries()
        self._retries.append((now, total))
        while self._retries[1][0] <= now - WAKE_SECONDS:
            self._retries.popleft()
        return total - self._retries[0][1]
