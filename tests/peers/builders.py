"""Short ways to say what a peer sees, and a target that does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.observation import Observation, Quality, Replica, Signal
from autoscaler.engine.state import State
from autoscaler.peers.base import PeerDecider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autoscaler.engine.decision import Decision
    from autoscaler.peers.base import PeerModel

NOW = 1_700_000_000.0


def replicas(ready: int, starting: int = 0, *, since: float = NOW - 3600.0, phase: str = "Pending") -> tuple:
    """Return ready replicas, and some on their way, in `phase`."""
    up = tuple(Replica(f"pod-{n}", "Running", True, since - 100.0, since) for n in range(ready))
    coming = (Replica(f"new-{n}", phase, False, since, since) for n in range(starting))
    return (*up, *coming)


def signal(key: str, value: float | Quality, pods: int = 1, missing: int = 0) -> Signal:
    """Return a signal; a Quality as its value is a signal without one."""
    if isinstance(value, Quality):
        return Signal(key, None, "", 0.0, value)
    return Signal(key, value, "", NOW, Quality.PARTIAL if missing else Quality.OK, pods, missing)


def observation(spec: int, signals: Mapping[str, float | Quality], pods: tuple | None = None, **more) -> Observation:
    """Return what is seen of a target of `spec` replicas, all ready unless `pods` are given."""
    pods = replicas(spec) if pods is None else pods
    ready = sum(pod.ready for pod in pods)
    found = {key: value if isinstance(value, Signal) else signal(key, value, ready) for key, value in signals.items()}
    return Observation("ns/name", spec, pods, found, **more)


class Target:
    """A target whose replicas are ready at once, run by one peer."""

    def __init__(
        self, parameters: PeerModel, spec: int, every_seconds: float | None = None, *, at: float = NOW
    ) -> None:
        self.decider = PeerDecider(parameters)
        self.every_seconds = parameters.interval_seconds if every_seconds is None else every_seconds
        self.spec = spec
        self.state = State()
        self.now = at

    def tick(self, signals: Mapping[str, float | Quality], **more) -> Decision:
        """Decide once, carry it out, and let one interval pass."""
        seen = observation(self.spec, signals, **more)
        decision, self.state = self.decider.decide(seen, self.state, self.now)
        self.spec = decision.replicas
        self.now += self.every_seconds
        return decision

    def run(self, seconds: float, signals: Callable[[int], Mapping[str, float | Quality]]) -> list[int]:
        """Return the counts after each of the ticks in that time; `signals` are given the present count."""
        end, counts = self.now + seconds, []
        while self.now < end:
            counts.append(self.tick(signals(self.spec)).replicas)
        return counts
