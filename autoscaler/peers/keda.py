"""A KEDA ScaledObject as a decider: activation every polling interval, over an HPA that looks every 15 s.

A trigger is a Prometheus query here, the signals it sums; or the clock (cron); or a resource, which is the HPA's alone.
A formula makes one metric of all but the resources; `keda_formula` says which part of expr is read. With
`ignoreNullValues`, upstream's default, an answer without a series, or with NaN or infinity, is 0: "idle". Both halves
run in one call where both are due, activation first; what it writes, the HPA sees at its next turn.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from autoscaler.engine.behavior import ScalingRules  # noqa: TC001 - pydantic reads the annotation
from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import QUEUE_DEPTH, Quality
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Step, remember
from autoscaler.peers.hpa import Hpa, HpaMetric, MetricType
from autoscaler.peers.hpa_calculator import Invalid, average_value_replicas, value_replicas
from autoscaler.peers.hpa_controller import Failed
from autoscaler.peers.hpa_observed import in_milli, pods_of
from autoscaler.peers.keda_activation import Activation, Past, Triggers, activate
from autoscaler.peers.keda_cron import OUTSIDE_REPLICAS
from autoscaler.peers.keda_fallback import Fallback, fallback_metric, falls_back
from autoscaler.peers.keda_formula import evaluate, names
from autoscaler.peers.keda_triggers import CronWindow, FallbackModel, Modifiers, Trigger
from autoscaler.peers.look import is_absent, known, live, ready_count, requests_of

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.proposal import Memory
    from autoscaler.engine.state import State
    from autoscaler.peers.hpa_calculator import Proposed
    from autoscaler.peers.keda_activation import Activated

__all__ = ["CronWindow", "FallbackModel", "Keda", "Modifiers", "Trigger"]

NAME = "keda"
_EARLY_SECONDS = 1e-6


class Keda(PeerModel):
    """A ScaledObject, and the HPA that KEDA makes of it."""

    follows: ClassVar[str] = "kedacore/keda at 8b4f083ca8c8, over the HPA of kubernetes/kubernetes at 003e86297d18"

    min_replicas: int = Field(default=0, strict=True, ge=0, le=2**31 - 1)
    max_replicas: int = Field(default=100, strict=True, ge=1, le=2**31 - 1)
    idle_replicas: Annotated[int, Field(strict=True, ge=0)] | None = None
    polling_interval_seconds: Positive = 30.0
    cooldown_seconds: NotNegative = 300.0
    initial_cooldown_seconds: NotNegative = 0.0
    triggers: Annotated[tuple[Trigger, ...], Field(min_length=1)] = (Trigger(signals=(QUEUE_DEPTH,), threshold=5.0),)
    """5 is the threshold of upstream's own Prometheus example."""
    modifiers: Modifiers | None = None
    fallback: FallbackModel | None = None
    behavior: tuple[ScalingRules, ScalingRules] | None = None
    """`advanced.horizontalPodAutoscalerConfig.behavior`: the (up, down) rules."""
    tolerance: NotNegative = 0.1

    @model_validator(mode="after")
    def _zero_needs_a_query(self) -> Self:
        # pkg/apis webhook: "scaledobject has only cpu/memory triggers AND minReplica is 0 (scale to zero doesn't work)"
        if self.min_replicas == 0 and all(trigger.is_resource for trigger in self.triggers):
            raise ValueError("minReplicas 0 needs a trigger that is not cpu or memory")
        return self

    @model_validator(mode="after")
    def _formula_knows_its_triggers(self) -> Self:
        if self.modifiers is None:
            return self
        known = [trigger.name for trigger in self.triggers if not trigger.is_resource]
        if not all(known) or len(set(known)) < len(known):
            raise ValueError("with a formula every trigger but cpu and memory needs a name of its own")
        if unknown := names(self.modifiers.parsed) - set(known):
            raise ValueError(f"formula: {', '.join(sorted(unknown))} must be one of the triggers {', '.join(known)}")
        return self

    @property
    def interval_seconds(self) -> float:
        """The HPA's sync period: the shorter of the two loops."""
        return min(self._hpa.interval_seconds, self.polling_interval_seconds)

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The signals of all triggers."""
        return requests_of(key for trigger in self.triggers for key in trigger.signals)

    @cached_property
    def _metrics(self) -> tuple[Trigger, ...]:
        """What the HPA gets a metric for: every trigger, or the formula in place of all but the resources."""
        own = self.modifiers
        if own is None:
            return self.triggers
        formula = Trigger(
            signals=("formula",),
            threshold=own.target,
            activation_threshold=own.activation_target,
            metric_type=own.metric_type,
        )
        return (formula, *(trigger for trigger in self.triggers if trigger.is_resource))

    @cached_property
    def _hpa(self) -> Hpa:
        return Hpa(
            min_replicas=max(1, self.min_replicas),
            max_replicas=self.max_replicas,
            metrics=tuple(map(_metric, self._metrics)),
            behavior=self.behavior,
            tolerance=self.tolerance,
        )

    @cached_property
    def _activation(self) -> Activation:
        return Activation(
            self.min_replicas,
            self.idle_replicas,
            self.cooldown_seconds,
            self.initial_cooldown_seconds,
            self.fallback.replicas if self.fallback else 0,
            self.fallback is not None,
        )

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one poll if it is due, and else, or if that changed nothing, one reconcile of the HPA."""
        memory, current = dict(state.memories.get(NAME, {})), observation.spec_replicas
        memory.setdefault("created_at", now)
        polled_at = memory.get("polled_at")
        values = self._values(observation, now)
        stages: tuple[Stage, ...] = ()
        if polled_at is None or now - float(polled_at) >= self.polling_interval_seconds - _EARLY_SECONDS:
            polled = self._poll(values, current, memory, now)
            memory |= {"polled_at": now, "last_active_at": polled.last_active_at}
            stages = (Stage("activation", current, polled.replicas, polled.why),)
            if polled.replicas != current:
                reason = Reason.WAKE if polled.replicas > current else Reason.IDLE
                return Step(polled.replicas, reason, stages, remember(state, NAME, memory))
        if self._hpa.min_replicas <= current <= self.max_replicas:
            memory |= _failures(values, memory)
        results = [
            self._hpa.propose(self._hpa.metrics[place], observation, now)
            if trigger.is_resource
            else self._result(place, trigger, value, observation, memory)
            for place, (trigger, value) in enumerate(zip(self._metrics, values, strict=True))
        ]
        called = [metric.name for metric in self._hpa.metrics]
        step = self._hpa.reconciled(called, results, observation, remember(state, NAME, memory), now)
        return step._replace(trail=(*stages, *step.trail))

    def _poll(self, values: list[float | None], current: int, memory: Memory, now: float) -> Activated:
        asked = [(t, v) for t, v in zip(self._metrics, values, strict=True) if not t.is_resource]
        active = any(trigger.is_active(value, now) for trigger, value in asked)
        failed = any(value is None for _, value in asked)
        created_at, last_active_at = memory.get("created_at"), memory.get("last_active_at")
        past = Past(float(created_at or 0.0), None if last_active_at is None else float(last_active_at))
        return activate(self._activation, current, Triggers(active, failed), past, now)

    def _values(self, observation: Observation, now: float) -> list[float | None]:
        """Return the value of each of the HPA's metrics; None for an error."""
        values = [self._value(trigger, observation, now) for trigger in self.triggers]
        if self.modifiers is None:
            return values
        pairs = list(zip(self.triggers, values, strict=True))
        told = {trigger.name: value / trigger.scale for trigger, value in pairs if value is not None}
        whole = all(value is not None for trigger, value in pairs if not trigger.is_resource)
        composed = evaluate(self.modifiers.parsed, told) if whole else None
        return [composed, *(value for trigger, value in pairs if trigger.is_resource)]

    def _value(self, trigger: Trigger, observation: Observation, now: float) -> float | None:
        """Return what the trigger answers; None for an error."""
        if trigger.cron is not None:
            return float(trigger.cron.desired_replicas) if trigger.cron.is_open(now) else OUTSIDE_REPLICAS
        signals = [observation.signals.get(key) for key in trigger.signals]
        if any(signal is None or signal.quality is Quality.ERROR for signal in signals):
            return None
        values = [value for value in map(known, signals) if value is not None]
        if values:
            return max(sum(values), 0.0)
        nothing = all(is_absent(s) or (s is not None and s.quality is Quality.NAN) for s in signals)
        return 0.0 if nothing and trigger.ignore_null_values else None

    def _result(
        self, place: int, trigger: Trigger, value: float | None, observation: Observation, memory: Memory
    ) -> Proposed | Failed:
        current, ready = observation.spec_replicas, ready_count(observation)
        failures = int(memory.get(f"failures {place}") or 0)
        if value is None and self.fallback is not None:
            fallback = Fallback(self.fallback.failure_threshold, self.fallback.replicas, self.fallback.behavior)
            if falls_back(fallback, failures):
                of_value = ready if trigger.metric_type == "Value" else None
                value = fallback_metric(fallback, current, trigger.threshold, of_value)
        if value is None:
            return Failed("FailedGetExternalMetric", f"the trigger failed, {failures} times in a row")
        milli, target, tolerances = round(value * 1000), in_milli(trigger.threshold), self._hpa.tolerances()
        if trigger.metric_type == "AverageValue":
            return average_value_replicas(len(live(observation)), milli, target, tolerances)
        result = value_replicas(current, milli, target, pods_of(observation), tolerances)
        return Failed("FailedGetExternalMetric", result.message) if isinstance(result, Invalid) else result


def _metric(trigger: Trigger) -> HpaMetric:
    """Return the entry of the HPA that KEDA makes of a trigger."""
    signals, threshold = trigger.signals or (trigger.type,), trigger.threshold
    if trigger.is_resource:
        percent = max(1, int(threshold))
        return HpaMetric(type=MetricType.RESOURCE, signals=signals, average_utilization=percent, resource=trigger.type)
    if trigger.metric_type == "Value":
        return HpaMetric(type=MetricType.EXTERNAL, signals=signals, value=threshold)
    return HpaMetric(type=MetricType.EXTERNAL, signals=signals, average_value=threshold)


def _failures(values: list[float | None], memory: Memory) -> dict[str, int]:
    """Return how often each trigger has failed in a row, this time included."""
    return {
        f"failures {place}": 0 if value is not None else int(memory.get(f"failures {place}") or 0) + 1
        for place, value in enumerate(values)
    }
