"""A small world around one target: pods that start, get stuck or go, load that comes and goes, and others who write."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from autoscaler.engine import (
    Decision,
    Engine,
    EngineSpec,
    Fleet,
    Kind,
    Memory,
    Mode,
    Observation,
    Proposal,
    Quality,
    Replica,
    Role,
    Signal,
    SignalRequest,
    State,
    confirm_write,
    forget_history,
    state_from_json,
    state_to_json,
)
from autoscaler.engine.behavior import PolicyType, RatePolicy, ScalingRules, SelectPolicy
from autoscaler.engine.spec import Fallback, OnForeignChange, ScaleToZero, Startup
from autoscaler.rules.gpu_utilization import GpuUtilization
from autoscaler.rules.latency import Latency
from autoscaler.rules.pending_requests import PendingRequests
from autoscaler.rules.queue_depth import QueueDepth
from tests.engine.builders import NOW, TARGET

INTERVAL = 15.0
PER_REPLICA = 10.0
LATENCY = "timeToFirstToken:0.99"


class Segment(NamedTuple):
    """Some ticks in a row of the same weather."""

    ticks: int
    pending: int
    held: int
    latency_seconds: float
    quality: Quality
    broken: str
    """The signal that has the quality; the others are ok."""
    fate: str
    """Of pods created meanwhile: `ready`, `unschedulable`, `crash` or `slow`."""
    event: str
    """What happens at its first tick: nothing, or a word that `World.happen` knows."""


class Seen(NamedTuple):
    """One tick, as a test may judge it."""

    at: float
    observation: Observation
    before: State
    decision: Decision
    after: State
    spec: EngineSpec
    event: str


segments = st.lists(
    st.builds(
        Segment,
        st.integers(6, 12),
        st.sampled_from([0] * 6 + [3, 12, 25, 60, 95]),
        st.sampled_from([0] * 9 + [5]),
        st.sampled_from([0.2, 0.2, 1.9, 3.0]),
        st.sampled_from([Quality.OK] * 14 + list(Quality)),
        st.sampled_from(["pendingRequests", "queueDepth", "completedRequests", "gatewayRequests", LATENCY, "all"]),
        st.sampled_from(["ready", "ready", "ready", "ready", "unschedulable", "crash", "slow"]),
        st.sampled_from(
            [""] * 8 + ["restart", "new leader", "clock step", "edit", "raise", "lower", "rollout", "conflict"]
        ),
    ),
    min_size=5,
    max_size=7,
)


@dataclass(frozen=True)
class Shifts:
    """A schedule: every `period_seconds` other bounds begin to hold, and after the last the first again."""

    bounds: tuple[tuple[int, int | None], ...]
    period_seconds: float = 120.0
    name: str = "shifts"
    role: Role = Role.GUARD
    needs: tuple[SignalRequest, ...] = ()

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return the bounds of the present period."""
        least, most = self.bounds[int((now - NOW) // self.period_seconds) % len(self.bounds)]
        return Proposal(Kind.BOUNDS, least, f"{least} to {most}", most=most), memory


SHIFTS: tuple[tuple[Shifts, ...], ...] = (
    *((),) * 6,
    (Shifts(((0, None), (3, None))),),
    (Shifts(((0, None), (0, 2), (1, 8))),),
    (Shifts(((2, 5), (0, None))), Shifts(((0, None), (6, 6)), 180.0, "more")),
)
"""Schedules of a target: none for two in three."""


def bounds_of(seen: Seen) -> tuple[int, int]:
    """Return the bounds that the document and the schedule leave at this tick, worked out anew."""
    allowed = range(seen.spec.min_replicas, seen.spec.max_replicas + 1)
    for _, proposal in seen.decision.proposals:
        if proposal.kind is Kind.BOUNDS:
            most = allowed[-1] if proposal.most is None else proposal.most
            least = int(proposal.replicas)
            inside = [count for count in allowed if least <= count <= most]
            allowed = inside or [allowed[-1] if least > allowed[-1] else allowed[0]]
    return allowed[0], allowed[-1]


@st.composite
def specs(draw: st.DrawFn) -> EngineSpec:
    """Return specs of every shape: bounds, windows, rates, zero, fallback, modes."""
    least = draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    zero = draw(st.sampled_from([30.0, 30.0, 60.0, 120.0])) if least == 0 else None
    window = draw(st.sampled_from([0.0, 0.0, 30.0, 60.0, 300.0]))
    rate = st.builds(RatePolicy, st.sampled_from(PolicyType), st.integers(1, 100), st.sampled_from([15.0, 60.0]))
    select = st.sampled_from([SelectPolicy.MAX] * 4 + [SelectPolicy.MIN, SelectPolicy.DISABLED])
    policies = st.lists(rate, min_size=1, max_size=2).map(tuple)
    default = (RatePolicy(PolicyType.PERCENT, 100, 15.0), RatePolicy(PolicyType.PODS, 4, 15.0))
    up = ScalingRules(draw(st.sampled_from([0.0, 0.0, 30.0])), draw(st.just(default) | policies), draw(select))
    down = ScalingRules(window, draw(st.just(default) | policies), draw(select))
    rules = (
        PendingRequests(targetPerReplica=PER_REPLICA),
        QueueDepth(targetPerReplica=4),
        Latency(signal="timeToFirstToken", objectiveSeconds=2, rateWindowSeconds=30),
        GpuUtilization(targetPercent=80, rateWindowSeconds=30),
    )
    return EngineSpec(
        least,
        draw(st.integers(max(least, 3), 12)),
        (*rules[: draw(st.integers(1, 4))], *SHIFTS[draw(st.integers(0, len(SHIFTS) - 1))]),
        "first",
        draw(st.sampled_from([Mode.ACTIVE, Mode.ACTIVE, Mode.ACTIVE, Mode.DRY_RUN, Mode.PAUSED])),
        up,
        down,
        None if zero is None else ScaleToZero(zero, PER_REPLICA, blind_after_seconds=60.0),
        draw(st.sampled_from([None, Fallback(3, 30.0)])),
        Startup(60.0, 3.0, 120.0, 30.0, 120.0),
        draw(st.sampled_from(OnForeignChange)),
        60.0,
    )


@dataclass
class World:
    """The target, its pods and its traffic; `run` lets the engine decide once an interval."""

    spec: EngineSpec
    now: float = NOW
    count: int = 2
    state: State = field(default_factory=State)
    pods: dict[str, Replica] = field(default_factory=dict)
    served: float = 0.0
    created: int = 0
    revision: str = "r1"
    stale: dict[str, Signal] = field(default_factory=dict)

    def run(self, script: list[Segment]) -> list[Seen]:
        """Return every tick of the script."""
        return [self.tick(segment, number) for segment in script for number in range(segment.ticks)]

    def tick(self, segment: Segment, number: int) -> Seen:
        """Let one interval pass, decide, and write."""
        event = segment.event if number == 0 else ""
        self.now += INTERVAL
        self.happen(event)
        self.move_pods(segment.fate)
        observation = Observation(TARGET, self.count, tuple(self.pods.values()), self.signals(segment))
        before = self.state
        decision, after = Engine(self.spec).decide(observation, before, self.now)
        self.state = after
        if self.spec.mode is Mode.ACTIVE and decision.replicas != self.count and event != "conflict":
            self.state = confirm_write(after, self.spec, self.count, decision.replicas, self.now)
            self.count = decision.replicas
        return Seen(self.now, observation, before, decision, after, self.spec, event)

    def happen(self, event: str) -> None:
        """Do to the target, or to the daemon, what the event says."""
        if event == "restart":
            self.state = State()
        elif event == "new leader":
            self.now += 4 * INTERVAL
            self.state = state_from_json(json.loads(json.dumps(state_to_json(self.state))))
        elif event == "clock step":
            self.now += 3600.0
            self.state = forget_history(self.state)
        elif event == "edit":
            highest = max(3, self.spec.max_replicas - 2)
            self.spec = EngineSpec(
                **{
                    name: getattr(self.spec, name)
                    for name in EngineSpec.__dataclass_fields__
                    if name not in ("max_replicas", "fingerprint")
                },
                max_replicas=max(highest, self.spec.min_replicas),
                fingerprint=self.spec.fingerprint + "'",
            )
        elif event in ("raise", "lower"):
            self.count = max(0, self.count + (2 if event == "raise" else -2))
        elif event == "rollout":
            self.revision += "'"

    def move_pods(self, fate: str) -> None:
        """Create, start and remove pods, as Deployment, scheduler and kubelet would; pods not Ready go first."""
        live = [pod for pod in self.pods.values() if not pod.terminating]
        self.pods = {pod.name: self.grow(pod) for pod in live}
        for pod in sorted(live, key=lambda pod: (pod.ready, -pod.created_at))[: max(0, len(live) - self.count)]:
            self.pods[pod.name] = pod._replace(terminating=True)
        outdated = [pod for pod in self.pods.values() if pod.revision != self.revision and not pod.terminating]
        if outdated:
            self.pods[outdated[0].name] = outdated[0]._replace(terminating=True)
        alive = sum(not pod.terminating for pod in self.pods.values())
        for _ in range(self.count - alive):
            self.created += 1
            reason = {"unschedulable": "Unschedulable", "crash": "CrashLoopBackOff"}.get(fate, fate)
            name = f"pod-{self.created}"
            self.pods[name] = Replica(name, "Pending", False, self.now, None, False, reason, self.revision)

    def grow(self, pod: Replica) -> Replica:
        """Return the pod one interval later: a healthy one is Ready 40 s after its creation."""
        if pod.ready or pod.reason != "ready" or self.now - pod.created_at < 40.0:
            return pod
        return pod._replace(ready=True, phase="Running", ready_changed_at=self.now, reason="")

    def signals(self, segment: Segment) -> dict[str, Signal]:
        """Return what the sources would say of the segment's load."""
        ready = sum(pod.ready and not pod.terminating for pod in self.pods.values())
        self.served += min(segment.pending, ready * PER_REPLICA)
        values = {
            "pendingRequests": float(segment.pending),
            "queueDepth": max(0.0, segment.pending - ready * PER_REPLICA),
            "completedRequests": self.served,
            "gatewayRequests": float(segment.held),
            LATENCY: segment.latency_seconds,
            "gpuUtilization": 93.0 if segment.pending else 0.0,
        }
        return {name: self.signal(name, value, ready, segment) for name, value in values.items()}

    def signal(self, name: str, value: float, ready: int, segment: Segment) -> Signal:
        """Return one signal; from the pods nothing can be had while none is ready."""
        quality = segment.quality if segment.broken in (name, "all") else Quality.OK
        if name != "gatewayRequests" and not ready:
            quality = Quality.NO_PODS
        known = quality in (Quality.OK, Quality.PARTIAL)
        samples = 50.0 if name == LATENCY else None
        return Signal(name, value if known else None, "", self.now if known else 0.0, quality, ready, samples=samples)
