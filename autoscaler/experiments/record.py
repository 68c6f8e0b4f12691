"""What happens during a run, noted at each decision without changing any of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import GPU_UTILIZATION, PENDING_REQUESTS, QUEUE_DEPTH, SignalRequest
from autoscaler.simulator import kernel
from autoscaler.simulator.replay import EPOCH_SECONDS, Story

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.engine.decision import Decision
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.state import State
    from autoscaler.simulator.fleet import SimulatedFleet, Snapshot
    from autoscaler.simulator.replay import Contestant

SEEN_P99 = SignalRequest("timeToFirstToken", 0.99)
SEEN = (SEEN_P99, SignalRequest(QUEUE_DEPTH), SignalRequest(PENDING_REQUESTS), SignalRequest(GPU_UTILIZATION))
"""What is noted of the autoscaler's own view, whether its policy asks for it or not."""


class Change(NamedTuple):
    """One decision for another count."""

    at_seconds: float
    before: int
    after: int
    reason: str
    """The word for it, such as `Demand`."""
    explanation: str
    """Every rule and stage, a line each."""


class Sample(NamedTuple):
    """The fleet at one moment, mostly at a decision, and over the time since the sample before."""

    at_seconds: float
    wanted: int
    """As decided."""
    ready: int
    starting: int
    unschedulable: int
    """Wanted, without a GPU to run on."""
    draining: int
    queue: int
    """Requests that wait at the gateway, or at a replica for admission."""
    pending: int
    """Those, and the ones in progress."""
    utilization: float
    """Share of the serving replicas' time that went into work which grows with load; NaN without such a replica."""
    seen_queue: float
    """The autoscaler's view: NaN where it has none."""
    seen_pending: float
    seen_gpu_percent: float
    """The GPUs' busy ratio: modelled, and near 100 long before a replica is full."""
    seen_ttft_p99_seconds: float
    """From the backend's histogram buckets, over the rate window."""


class Record(NamedTuple):
    """Samples in order of time, and the decisions that changed the count."""

    samples: tuple[Sample, ...]
    changes: tuple[Change, ...]
    window_seconds: float
    """What the seen quantile is over."""


class Recorder:
    """A decider that hands on what it is shown, and keeps notes; with `detailed` off, only of the changes' number."""

    def __init__(
        self, contestant: Contestant, fleet: SimulatedFleet, timer: Callable[[], float], *, detailed: bool
    ) -> None:
        self._decider = contestant.decider
        self._own = frozenset(request.key for request in contestant.requests)
        self._fleet = fleet
        self._timer = timer
        self._detailed = detailed
        self._wanted = -1
        self._seen: dict[str, float] = {}
        self._work: dict[int, float] = {}
        self._samples: list[Sample] = []
        self._changes: list[Change] = []
        self._ups = self._downs = 0
        self._decide_seconds = 0.0
        extra = SEEN if detailed else ()
        self.contestant = contestant._replace(
            decider=self, requests=tuple(dict.fromkeys((*contestant.requests, *extra)))
        )

    def decide(self, observation: Observation, state: State, now: float) -> tuple[Decision, State]:
        """Return the decider's own decision on what it asked to see."""
        if self._detailed:
            self._seen = {key: _value(observation, key) for key in (request.key for request in SEEN)}
            own = {key: signal for key, signal in observation.signals.items() if key in self._own}
            observation = observation._replace(signals=own)
        began = self._timer()
        decision, state = self._decider.decide(observation, state, now)
        self._decide_seconds += self._timer() - began
        self._wanted = decision.replicas
        self._ups += decision.replicas > observation.spec_replicas
        self._downs += decision.replicas < observation.spec_replicas
        if self._detailed and decision.replicas != observation.spec_replicas:
            change = (observation.spec_replicas, decision.replicas, str(decision.reason), decision.explain())
            self._changes.append(Change(now - EPOCH_SECONDS, *change))
        return decision, state

    def note(self, at_seconds: float) -> None:
        """Take a sample of the fleet, which stands at this moment, unless there is one of it."""
        if self._detailed and not (self._samples and self._samples[-1].at_seconds >= at_seconds):
            self._samples.append(self._sample(at_seconds))

    def _sample(self, at: float) -> Sample:
        states, rows = self._fleet.states(), self._fleet.snapshot()
        queue = self._fleet.waiting()
        wanted = states.starting + states.ready if self._wanted < 0 else self._wanted
        seen = (self._seen.get(request.key, math.nan) for request in (*SEEN[1:], SEEN_P99))
        return Sample(
            at,
            wanted,
            states.ready,
            states.starting,
            max(0, wanted - states.starting - states.ready),
            states.draining,
            queue,
            queue + int(rows.running.sum()),
            self._utilization(rows, at),
            *seen,
        )

    def _utilization(self, rows: Snapshot, at: float) -> float:
        """Return the work done since the sample before by replicas that are still there, over the time they served."""
        serving = rows.state != kernel.STARTING
        work = (rows.busy_seconds - self._fleet.model.base_seconds * rows.iterations)[serving]
        totals = dict(zip(rows.number[serving].tolist(), work.tolist(), strict=True))
        since = self._samples[-1].at_seconds if self._samples else 0.0
        served = float((at - rows.ready_at[serving].clip(min=since)).sum())
        done = sum(total - self._work.get(number, 0.0) for number, total in totals.items())
        self._work = totals
        return done / served if served > 0 else math.nan

    def record(self, window_seconds: float) -> Record | None:
        """Return the notes; None if they were not asked for in detail."""
        return Record(tuple(self._samples), tuple(self._changes), window_seconds) if self._detailed else None

    def story(self) -> Story:
        """Return what is known of a run that was stopped before its end."""
        return Story((), self._ups, self._downs, self._decide_seconds)


def _value(observation: Observation, key: str) -> float:
    signal = observation.signals.get(key)
    return math.nan if signal is None or signal.value is None else signal.value
