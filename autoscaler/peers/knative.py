"""The Knative Pod Autoscaler as a decider.

What differs from upstream: concurrency is what is held in front of the replicas and in flight at them, sampled when
the decider is called, not every second; the panic window of 6 s holds three samples at upstream's tick of 2 s, and the
newest alone where the caller is slower. Replicas that did not report are taken to be like those that did, as upstream's
scraper takes its sample of pods. The activator is in the path at the tick after it was asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from autoscaler.engine.behavior import REPLICAS_LIMIT
from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import REQUEST_RATE, Quality, SignalRequest
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Replicas, Step, remember
from autoscaler.peers.knative_autoscaler import TICK_SECONDS, KpaSpec, KpaState, resolve_target, start, tick
from autoscaler.peers.knative_scaler import UNKNOWN, Phase, Revision, ScalerRules, is_proxied, next_phase, scale_to
from autoscaler.peers.knative_window import from_memory, to_memory
from autoscaler.peers.look import IN_FLIGHT, extrapolated, in_flight, ready_count
from autoscaler.peers.samples import mean, record, within

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory
    from autoscaler.engine.state import State
    from autoscaler.peers.knative_autoscaler import KpaScale
    from autoscaler.peers.knative_scaler import Scaled

NAME, SAMPLES, DELAY = "knative", "knative/samples", "knative/delay"


class _Past(NamedTuple):
    """What the objects of one revision said at the last tick; all times are UTC epoch seconds."""

    kpa: KpaState
    phase: Phase
    phase_since: float
    proxied_since: float | None
    initialized: bool
    desired: int
    """The last valid scale, which goes on counting while there is no data; `UNKNOWN` before the first."""
    excess: int
    """The excess burst capacity that came with it."""


class Knative(PeerModel):
    """The annotations of a revision, and the ConfigMap config-autoscaler."""

    follows: ClassVar[str] = "knative/serving at 98e5ef90aa70"

    min_replicas: Replicas = 0
    """`autoscaling.knative.dev/min-scale`."""
    max_replicas: Annotated[int, Field(strict=True, ge=1, le=REPLICAS_LIMIT)] = REPLICAS_LIMIT
    """`autoscaling.knative.dev/max-scale`; upstream's default is no limit."""
    initial_scale: Annotated[int, Field(strict=True, ge=1)] = 1
    activation_scale: Annotated[int, Field(strict=True, ge=1)] = 1
    metric: Literal["concurrency", "rps"] = "concurrency"
    target: Positive | None = None
    """`autoscaling.knative.dev/target`: concurrency or requests per second of one replica; default 100 or 200."""
    container_concurrency: NotNegative = 0.0
    """A hard limit for one replica; 0 for none."""
    target_utilization_percent: Annotated[float, Field(strict=True, ge=1, le=100)] = 70.0
    target_burst_capacity: Annotated[float, Field(strict=True, ge=-1)] = 211.0
    stable_window_seconds: Annotated[float, Field(strict=True, ge=6, le=3600)] = 60.0
    panic_window_percent: Annotated[float, Field(strict=True, ge=1, le=100)] = 10.0
    panic_threshold_percent: Annotated[float, Field(strict=True, ge=110, le=1000)] = 200.0
    max_scale_up_rate: Annotated[float, Field(strict=True, gt=1)] = 1000.0
    max_scale_down_rate: Annotated[float, Field(strict=True, gt=1)] = 2.0
    scale_down_delay_seconds: Annotated[float, Field(strict=True, ge=0, le=3600)] = 0.0
    scale_to_zero: bool = True
    scale_to_zero_grace_seconds: NotNegative = 30.0
    pod_retention_seconds: NotNegative = 0.0
    progress_deadline_seconds: Positive = 600.0

    @property
    def interval_seconds(self) -> float:
        """Upstream's tick."""
        return TICK_SECONDS

    @property
    def samples_every_seconds(self) -> float:
        """At each tick; upstream's collector scrapes a sample of the pods every second."""
        return TICK_SECONDS

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """Requests in flight, or their rate."""
        return IN_FLIGHT if self.metric == "concurrency" else (SignalRequest(REQUEST_RATE), *IN_FLIGHT)

    @cached_property
    def _spec(self) -> KpaSpec:
        by_rate = self.metric == "rps"
        default, limit = (200.0, 0.0) if by_rate else (100.0, self.container_concurrency)
        target, total = resolve_target(default, self.target_utilization_percent / 100, self.target, limit)
        return KpaSpec(
            target,
            total,
            self.target_burst_capacity,
            self.panic_threshold_percent / 100,
            self.max_scale_up_rate,
            self.max_scale_down_rate,
            self.stable_window_seconds,
            self.activation_scale,
            self.scale_down_delay_seconds,
        )

    @cached_property
    def _rules(self) -> ScalerRules:
        return ScalerRules(
            self.min_replicas,
            0 if self.max_replicas == REPLICAS_LIMIT else self.max_replicas,
            self.initial_scale,
            self.stable_window_seconds,
            self.scale_to_zero_grace_seconds,
            self.pod_retention_seconds,
            self.progress_deadline_seconds + 30.0,
            self.scale_to_zero,
            self.target_burst_capacity == -1,
        )

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one tick of the autoscaler, and the reconcile that follows it."""
        ready, current = ready_count(observation), observation.spec_replicas
        past = _past(state, ready, now)
        samples = dict(state.memories.get(SAMPLES, {}))
        value = self._value(observation)
        if value is not None:
            samples = record(samples, now, value, self.stable_window_seconds)
        scale, kpa = self._ticked(observation, past.kpa, samples, ready, now)
        past = past._replace(kpa=kpa)
        if scale is not None:
            past = past._replace(desired=scale.replicas, excess=scale.excess_burst_capacity)
        scaled, after = self._reconciled(past, current, ready, now)
        replicas = scaled.replicas if scaled.applies else current
        state = remember(remember(state, NAME, _memory(after)), SAMPLES, samples)
        state = remember(state, DELAY, to_memory(after.kpa.delay))
        reason = Reason.NO_OPINION if scale is None else _reason(current, past.desired, replicas)
        return Step(replicas, reason, _trail(current, scale, scaled, replicas, after), state)

    def _value(self, observation: Observation) -> float | None:
        if self.metric == "concurrency":
            return in_flight(observation)
        # requests that are held have not arrived at a replica: they are a rate of nothing, and wake the revision
        rate = extrapolated(observation.signals.get(REQUEST_RATE))
        return in_flight(observation) if rate is None and not ready_count(observation) else rate

    def _ticked(
        self, observation: Observation, kpa: KpaState, samples: Memory, ready: int, now: float
    ) -> tuple[KpaScale | None, KpaState]:
        """Return the tick; None without data, or where the pods could not be counted."""
        stable = mean(within(samples, now, self.stable_window_seconds))
        panic = mean(within(samples, now, self.stable_window_seconds * self.panic_window_percent / 100))
        if stable is None or observation.replicas_quality is not Quality.OK:
            return None, kpa
        return tick(self._spec, kpa, ready, stable, 0.0 if panic is None else panic, now)

    def _reconciled(self, past: _Past, current: int, ready: int, now: float) -> tuple[Scaled, _Past]:
        phase_seconds = now - past.phase_since
        proxied_seconds = 0.0 if past.proxied_since is None else now - past.proxied_since
        revision = Revision(current, past.phase, phase_seconds, proxied_seconds, past.initialized)
        scaled = scale_to(past.desired, self._rules, revision, lambda: past.proxied_since is not None)
        minimum = max(1, self.min_replicas, 0 if past.initialized else self.initial_scale)
        phase = next_phase(scaled.replicas, ready, minimum, past.phase)
        proxied = is_proxied(scaled.replicas, past.excess, past.phase)
        proxied_since = (now if past.proxied_since is None else past.proxied_since) if proxied else None
        phase_since = past.phase_since if phase is past.phase else now
        initialized = past.initialized or ready >= minimum
        return scaled, past._replace(
            phase=phase, phase_since=phase_since, proxied_since=proxied_since, initialized=initialized
        )


def _past(state: State, ready: int, now: float) -> _Past:
    memory = state.memories.get(NAME)
    if memory is None:
        phase = Phase.ACTIVE if ready else Phase.ACTIVATING
        return _Past(start(ready, now), phase, now, None, False, UNKNOWN, 0)  # noqa: FBT003 - named in the tuple
    panic_since, proxied_since = memory.get("panic_since"), memory.get("proxied_since")
    kpa = KpaState(
        None if panic_since is None else float(panic_since),
        int(memory.get("max_panic_pods") or 0),
        from_memory(state.memories.get(DELAY, {})),
    )
    return _Past(
        kpa,
        Phase(str(memory["phase"])),
        float(memory["phase_since"] or 0.0),
        None if proxied_since is None else float(proxied_since),
        bool(memory.get("initialized")),
        int(memory.get("desired", UNKNOWN) or 0),
        int(memory.get("excess") or 0),
    )


def _memory(past: _Past) -> Memory:
    return {
        "panic_since": past.kpa.panic_since,
        "max_panic_pods": past.kpa.max_panic_pods,
        "phase": past.phase.value,
        "phase_since": past.phase_since,
        "proxied_since": past.proxied_since,
        "initialized": past.initialized,
        "desired": past.desired,
        "excess": past.excess,
    }


def _trail(current: int, scale: KpaScale | None, scaled: Scaled, replicas: int, after: _Past) -> tuple[Stage, ...]:
    if scale is None:
        return (Stage("autoscaler", current, current, "no data"), Stage("scaler", current, replicas, after.phase.value))
    mode = "stable" if after.kpa.panic_since is None else f"panic, at least {after.kpa.max_panic_pods}"
    why = f"{mode}: stable window {scale.stable_wanted}, panic window {scale.panic_wanted}"
    waits = "" if scaled.applies else ", waits for the activator"
    return (
        Stage("autoscaler", current, scale.replicas, why),
        Stage("scaler", scale.replicas, replicas, f"{after.phase.value}{waits}"),
    )


def _reason(current: int, wanted: int, replicas: int) -> Reason:
    if replicas == 0:
        return Reason.IDLE if current else Reason.ASLEEP
    if current == 0:
        return Reason.WAKE
    if replicas != wanted:
        return Reason.MAX_REPLICAS if replicas < wanted else Reason.MIN_REPLICAS
    return Reason.DEMAND
