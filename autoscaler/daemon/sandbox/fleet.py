"""The simulator's fleet, stepped by a clock and shown on loopback ports."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import repeat
from math import isnan
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.daemon.sandbox.deployment import REVISION
from autoscaler.daemon.sandbox.hardware import COLD_START_SECONDS
from autoscaler.daemon.sandbox.metrics_page import gateway_page, replica_page
from autoscaler.daemon.sandbox.numbers import FleetNumbers, HistogramNumbers, Life, ReplicaNumbers
from autoscaler.daemon.sandbox.servers import PageServer
from autoscaler.daemon.sandbox.summary import Summary, gpu_hours, peak, serve
from autoscaler.simulator.fleet import ReplicaState, SimulatedFleet
from autoscaler.simulator.kernel import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.daemon.sandbox.metrics_page import Naming
    from autoscaler.daemon.sandbox.traffic import Arrivals
    from autoscaler.simulator.fleet import ReplicaView, Results

BUSY_WINDOW_SECONDS = 15.0
"""How much of the past the GPU's busy share looks at, in simulated seconds."""
FIXED_REQUESTS = 50_000
"""The summary plays up to so many requests once more on a fixed fleet: a second or two in plain Python."""
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def pod_name(target: str, revision: str, number: int) -> str:
    """Return a pod's name as Kubernetes would make one up, the same for the same number."""
    mixed, letters = (number + 1) * 2654435761 % 2**32, ""
    for _ in range(5):
        mixed, rest = divmod(mixed, len(_NAME_LETTERS))
        letters += _NAME_LETTERS[rest]
    return f"{target}-{revision}-{letters}"


class BusyShare:
    """The share of the last seconds that a replica was busy, from its total of busy seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def at(self, now: float, busy_seconds: float) -> float:
        """Return the share over the last `BUSY_WINDOW_SECONDS` up to `now`, 0 to 1."""
        seen = self._seen
        if not seen or now - seen[-1][0] >= 1.0:
            seen.append((now, busy_seconds))
        while len(seen) > 1 and now - seen[1][0] >= BUSY_WINDOW_SECONDS:
            seen.popleft()
        since, before = seen[0]
        return min(1.0, (busy_seconds - before) / (now - since)) if now > since else 0.0


class SandboxFleet:
    """Replicas that live in the simulator's kernel: every look at them first brings them up to the clock."""

    def __init__(
        self, kernel: SimulatedFleet, arrivals: Arrivals, replicas: int, naming: Naming, clock: Callable[[], float]
    ) -> None:
        self._kernel = kernel
        self._naming = naming
        self._clock = clock
        self._arrivals = arrivals
        self._initial = replicas
        self._lock = RLock()
        self._busy: dict[int, BusyShare] = {}
        self._servers: dict[int, PageServer] = {}
        self.started_at = clock()
        """UTC epoch seconds of the kernel's zero."""
        kernel.add_requests(*arrivals)
        kernel.scale_to(replicas, 0.0)
        self.gateway = PageServer(lambda: gateway_page(self.numbers(), naming))
        self.numbers()

    def numbers(self) -> FleetNumbers:
        """Return the fleet as it is now, with a server for each replica that serves and none for the others."""
        with self._lock:
            now = self._clock()
            elapsed = now - self.started_at
            self._kernel.advance(elapsed)
            views = self._kernel.replicas()
            leaving = self._keep_servers(views)
            numbers = FleetNumbers(
                now,
                tuple(self._replica(view, now) for view in views),
                self._kernel.gateway_waiting(),
                int(np.searchsorted(self._arrivals.seconds, elapsed, side="right")),
            )
        # a server takes a moment to stop, and the fleet must not wait for it
        for server in leaving:
            server.close()
        return numbers

    def addresses(self) -> Mapping[str, str]:
        """Return `host:port` of each pod that serves, by name."""
        with self._lock:
            return {self._name(number): server.address for number, server in self._servers.items()}

    def scale_to(self, replicas: int) -> None:
        """Create or drain replicas until `replicas` are starting or ready."""
        with self._lock:
            self._kernel.scale_to(replicas, self._clock() - self.started_at)
        self.numbers()

    def summary(self, objective_seconds: float) -> Summary:
        """Return what the run amounted to up to now, and what the same requests meet on a fleet of the peak's size."""
        with self._lock:
            elapsed = self._clock() - self.started_at
            self._kernel.advance(elapsed)
            results = self._kernel.results()
            count = int(np.searchsorted(results.arrival, elapsed, side="right"))
            arrived, first = results.arrival[:count].copy(), results.first_token[:count].copy()
            completed = int((results.outcome[:count] == COMPLETED).sum())
            lives = [(life.created_at, life.gone_at) for life in self._kernel.lifetimes()]
        lives = [(start, elapsed if isnan(end) else end) for start, end in lives]
        most = peak(lives)
        served, fixed = serve(arrived, first, elapsed, objective_seconds), None
        if count <= FIXED_REQUESTS:
            other = self._fixed(count, most, elapsed)
            fixed = serve(other.arrival, other.first_token, elapsed, objective_seconds)
        return Summary(elapsed, count, completed, served, objective_seconds, gpu_hours(lives), most, fixed)

    def _fixed(self, count: int, replicas: int, elapsed: float) -> Results:
        """Play the first requests once more, on a fleet of an unchanging size."""
        kernel = SimulatedFleet(self._kernel.model, repeat(0.0))
        kernel.add_requests(*(column[:count] for column in self._arrivals))
        kernel.scale_to(replicas, 0.0)
        kernel.advance(elapsed)
        return kernel.results()

    def close(self) -> None:
        """Stop all servers."""
        with self._lock:
            servers = [self.gateway, *self._servers.values()]
            self._servers.clear()
        for server in servers:
            server.close()

    def _replica(self, view: ReplicaView, now: float) -> ReplicaNumbers:
        share = self._busy.setdefault(view.number, BusyShare())
        # the replicas of the beginning were there before it, and took as long as any other
        early = COLD_START_SECONDS if view.number < self._initial else 0.0
        return ReplicaNumbers(
            self._name(view.number),
            Life(view.state),
            self.started_at + view.created_at - early,
            self.started_at + view.ready_at,
            view.waiting,
            view.running,
            view.kv_utilization,
            share.at(now, view.busy_seconds),
            view.completed,
            view.prompt_tokens,
            view.output_tokens,
            HistogramNumbers(*view.first_token),
            HistogramNumbers(*view.total),
        )

    def _name(self, number: int) -> str:
        return pod_name(self._naming.target, REVISION, number)

    def _keep_servers(self, views: Sequence[ReplicaView]) -> list[PageServer]:
        """Open a server for each new replica that serves, and return those whose replica has gone."""
        serving = {view.number for view in views if view.state in (ReplicaState.READY, ReplicaState.DRAINING)}
        for number in serving - self._servers.keys():
            self._servers[number] = PageServer(partial(self._page, number))
        return [self._servers.pop(number) for number in self._servers.keys() - serving]

    def _page(self, number: int) -> str:
        name = self._name(number)
        found = next((replica for replica in self.numbers().replicas if replica.name == name), None)
        return "" if found is None else replica_page(found, self._naming)
