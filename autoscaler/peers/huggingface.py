"""Hugging Face Inference Endpoints as a decider.

Upstream: the vendor's documentation (huggingface.co/docs/inference-endpoints, Autoscaling; read in November 2026); the
source is not public. It says when a replica is added, how often is looked (up every minute, down every two), and that
nothing is taken away for 300 s after a decrease. It does not say when one is taken away: here, when one less would
still be under the threshold. It says "replicas"; here the ready ones, which are those that a proxy can use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import COMPLETED_REQUESTS, GPU_UTILIZATION, SignalRequest
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Replicas, Step, remember, settle
from autoscaler.peers.look import TRAFFIC, in_flight, known, per_replica_mean, ready_count
from autoscaler.peers.samples import mean, record, within

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory
    from autoscaler.engine.state import State

NAME, SAMPLES = "huggingFace", "huggingFace/samples"
_EARLY_SECONDS = 1e-6
_THRESHOLDS = {"gpu": 80.0, "pendingRequests": 1.5}
_WINDOWS_SECONDS = {"gpu": 60.0, "pendingRequests": 20.0}


class _Look(NamedTuple):
    """What one look sees, and what it is time for."""

    load: float | None
    """Per replica, over the window."""
    in_flight: float | None
    ready: int
    up_due: bool
    down_due: bool


class HuggingFace(PeerModel):
    """The autoscaling settings of an endpoint."""

    follows: ClassVar[str] = "Hugging Face Inference Endpoints, documentation of November 2026"

    min_replicas: Replicas = 0
    max_replicas: Replicas = 2
    metric: Literal["gpu", "pendingRequests"] = "gpu"
    threshold: Positive | None = None
    """Percent of the GPU (default 80), or requests without an answer's status per replica (default 1.5)."""
    window_seconds: Positive | None = None
    """What the metric is a mean over; default 60 s of the GPU, 20 s of requests."""
    up_every_seconds: Positive = 60.0
    down_every_seconds: Positive = 120.0
    after_down_seconds: NotNegative = 300.0
    """No second decrease before."""
    scale_to_zero_after_seconds: Positive | None = 900.0
    """Without a request for so long, and with minReplicas 0, the endpoint sleeps; None for never."""
    look_every_seconds: Positive = 15.0

    @property
    def interval_seconds(self) -> float:
        """How often the metric is sampled; counts change more seldom."""
        return self.look_every_seconds

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The traffic, which shows idleness, and the GPU where it is what is asked for."""
        return (*TRAFFIC, SignalRequest(GPU_UTILIZATION)) if self.metric == "gpu" else TRAFFIC

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return what one look comes to."""
        before = state.memories.get(NAME, {})
        value, samples = self._value(observation), dict(state.memories.get(SAMPLES, {}))
        window = self.window_seconds or _WINDOWS_SECONDS[self.metric]
        if value is not None:
            samples = record(samples, now, value, window)
        up_due = _is_due(before.get("up_checked_at"), self.up_every_seconds, now)
        down_due = _is_due(before.get("down_checked_at"), self.down_every_seconds, now)
        look = _Look(
            mean(within(samples, now, window)),
            in_flight(observation),
            ready_count(observation),
            up_due,
            down_due and _is_due(before.get("down_at"), self.after_down_seconds, now),
        )
        idleness = _idleness(observation, before, now)
        current = observation.spec_replicas
        desired, reason, why = self._desired(current, look, idleness["idle_since"], now)
        lowest = self.min_replicas or (1 if desired else 0)
        replicas, limited, stage = settle(desired, (lowest, self.max_replicas))
        memory = {
            **idleness,
            "up_checked_at": now if up_due else before.get("up_checked_at"),
            "down_checked_at": now if down_due else before.get("down_checked_at"),
            "down_at": now if replicas < current else before.get("down_at"),
        }
        trail = (Stage("load", current, desired, why), stage)
        after = remember(remember(state, NAME, memory), SAMPLES, samples)
        return Step(replicas, reason if replicas == desired else limited, trail, after)

    def _value(self, observation: Observation) -> float | None:
        """Return the sample: percent, or requests in flight per ready replica."""
        if self.metric == "gpu":
            signal = observation.signals.get(GPU_UTILIZATION)
            return None if signal is None else per_replica_mean(signal)
        total = in_flight(observation)
        return None if total is None else total / max(1, ready_count(observation))

    def _desired(self, current: int, look: _Look, idle_since: float | None, now: float) -> tuple[int, Reason, str]:
        load, ready = look.load, look.ready
        if current == 0:
            return (1, Reason.WAKE, "a request came") if look.in_flight else (0, Reason.ASLEEP, "no request")
        if self._sleeps(idle_since, ready, now):
            return 0, Reason.IDLE, f"no request for {self.scale_to_zero_after_seconds:g} s"
        if load is None:
            return current, Reason.NO_OPINION, "no data"
        threshold = self.threshold or _THRESHOLDS[self.metric]
        if look.up_due and load >= threshold:
            return current + 1, Reason.DEMAND, f"{load:.3g} reaches {threshold:g}"
        with_one_less = load * ready / (ready - 1) if ready > 1 else load
        if look.down_due and ready >= current > 1 and with_one_less < threshold:
            return current - 1, Reason.DEMAND, f"{with_one_less:.3g} on one less stays under {threshold:g}"
        return current, Reason.DEMAND, f"{load:.3g} against {threshold:g}"

    def _sleeps(self, idle_since: float | None, ready: int, now: float) -> bool:
        if self.min_replicas or self.scale_to_zero_after_seconds is None or idle_since is None or not ready:
            return False
        return now - idle_since >= self.scale_to_zero_after_seconds


def _is_due(before: float | str | None, every_seconds: float, now: float) -> bool:
    """Return whether the pause since the last time is over; there was none before the first."""
    return before is None or now - float(before) >= every_seconds - _EARLY_SECONDS


def _idleness(observation: Observation, memory: Memory, now: float) -> dict[str, float | None]:
    """Return since when no request has come; None as long as there is one, or nobody knows."""
    total, completed = in_flight(observation), known(observation.signals.get(COMPLETED_REQUESTS))
    before = memory.get("completed")
    rose = completed is not None and before is not None and completed > float(before)
    kept = before if completed is None else completed
    since = memory.get("idle_since")
    if total is None or total > 0 or rose:
        return {"idle_since": None, "completed": None if kept is None else float(kept)}
    return {"idle_since": now if since is None else float(since), "completed": None if kept is None else float(kept)}
