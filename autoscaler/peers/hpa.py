"""The Kubernetes HorizontalPodAutoscaler v2 as a decider.

What differs from upstream, because a decider sees a target's signals and not each pod's samples: a Pods or Resource
metric gives every replica that reported the same share of the whole, the longest Ready ones being taken for those that
did; Resource utilization is a percentage of equal requests. A NaN reads as 0, as prometheus-adapter has it
(kubernetes-sigs/prometheus-adapter pkg/custom-provider/provider.go). A change counts as written when it is decided.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from autoscaler.engine.behavior import ScalingRules  # noqa: TC001 - pydantic reads the annotation
from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import PENDING_REQUESTS, Quality
from autoscaler.engine.proposal import Kind, Proposal
from autoscaler.peers.base import NotNegative, ParametersModel, PeerModel, Positive, SignalKey, Step
from autoscaler.peers.hpa_calculator import (
    Invalid,
    Tolerances,
    average_value_replicas,
    pods_replicas,
    resource_replicas,
    value_replicas,
)
from autoscaler.peers.hpa_controller import ABLE, ACTIVE, LIMITED, Failed, History, Rulebook, reconcile
from autoscaler.peers.hpa_observed import in_milli, pods_of, shares_of, total_milli
from autoscaler.peers.hpa_pods import CPU, Patience
from autoscaler.peers.look import live, requests_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.state import State
    from autoscaler.peers.hpa_calculator import Proposed
    from autoscaler.peers.hpa_controller import Outcome


class MetricType(StrEnum):
    """Where an HPA's metric comes from."""

    RESOURCE = "Resource"
    PODS = "Pods"
    OBJECT = "Object"
    EXTERNAL = "External"


_TARGETS = {
    MetricType.RESOURCE: ("average_utilization", "average_value"),
    MetricType.PODS: ("average_value",),
    MetricType.OBJECT: ("value", "average_value"),
    MetricType.EXTERNAL: ("value", "average_value"),
}


class HpaMetric(ParametersModel):
    """One entry of `spec.metrics`: signals, and exactly one target."""

    type: MetricType
    signals: Annotated[tuple[SignalKey, ...], Field(min_length=1)]
    """External and Object values of several series are summed; the other types read one."""
    value: Positive | None = None
    """Target of the value as it is."""
    average_value: Positive | None = None
    """Target of the value per replica."""
    average_utilization: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Target in percent of the request."""
    resource: Annotated[str, Field(strict=True, min_length=1)] = CPU
    """Of a Resource metric: for `cpu`, samples of pods that start are not believed."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        given = [name for name in ("value", "average_value", "average_utilization") if getattr(self, name) is not None]
        if len(given) != 1 or given[0] not in _TARGETS[self.type]:
            raise ValueError(f"a {self.type} metric needs exactly one target of {', '.join(_TARGETS[self.type])}")
        if len(self.signals) > 1 and self.type in (MetricType.PODS, MetricType.RESOURCE):
            raise ValueError(f"a {self.type} metric reads one signal")
        return self

    @property
    def name(self) -> str:
        """Type and signals, for a person."""
        return f"{self.type}/{'+'.join(self.signals)}"


class Hpa(PeerModel):
    """An HPA, and the flags of the controller manager that runs it."""

    follows: ClassVar[str] = (
        "kubernetes/kubernetes at 003e86297d18 (autoscaling/v2 with per-direction tolerance, 1.33+)"
    )

    min_replicas: int = Field(default=1, strict=True, ge=0, le=2**31 - 1)
    max_replicas: int = Field(default=10, strict=True, ge=1, le=2**31 - 1)
    metrics: Annotated[tuple[HpaMetric, ...], Field(min_length=1)] = (
        HpaMetric(type=MetricType.PODS, signals=(PENDING_REQUESTS,), average_value=10.0),
    )
    """Upstream's default, 80 % of the cpu request, says nothing of a GPU's work: 10 requests in flight per pod here."""
    behavior: tuple[ScalingRules, ScalingRules] | None = None
    """The (up, down) rules with their tolerances; None is an HPA without the block."""
    tolerance: NotNegative = 0.1
    downscale_stabilization_seconds: NotNegative = 300.0
    """`--horizontal-pod-autoscaler-downscale-stabilization`, for an HPA without `behavior`."""
    cpu_initialization_seconds: NotNegative = 300.0
    initial_readiness_seconds: NotNegative = 30.0
    sync_period_seconds: Positive = 15.0

    @property
    def interval_seconds(self) -> float:
        """The controller manager's sync period."""
        return self.sync_period_seconds

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The signals of all metrics."""
        return requests_of(key for metric in self.metrics for key in metric.signals)

    def within(self, min_replicas: int, max_replicas: int) -> Self:
        """Return the HPA with these bounds where it does not name its own; zero only where it may be."""
        return super().within(min_replicas if self._sees_from_zero else max(min_replicas, 1), max_replicas)

    @property
    def _sees_from_zero(self) -> bool:
        return any(metric.type in (MetricType.OBJECT, MetricType.EXTERNAL) for metric in self.metrics)

    @model_validator(mode="after")
    def _zero_needs_a_metric_without_pods(self) -> Self:
        # pkg/apis/autoscaling/validation: minReplicas 0 "must specify at least one Object or External metric"
        if self.min_replicas == 0 and not self._sees_from_zero:
            raise ValueError("minReplicas 0 needs at least one Object or External metric")
        return self

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one reconcile."""
        results = [self.propose(metric, observation, now) for metric in self.metrics]
        return self.reconciled([metric.name for metric in self.metrics], results, observation, state, now)

    def reconciled(
        self,
        names: Sequence[str],
        results: Sequence[Proposed | Failed],
        observation: Observation,
        state: State,
        now: float,
    ) -> Step:
        """Return one reconcile of what the metrics of these names came to."""
        rulebook = Rulebook(self.min_replicas, self.max_replicas, self.behavior, self.downscale_stabilization_seconds)
        history = History(state.recommendations or None, state.scale_ups, state.scale_downs)
        outcome = reconcile(rulebook, observation.spec_replicas, results, history, now)
        after = state._replace(
            recommendations=outcome.history.recommendations or (),
            scale_ups=outcome.history.ups,
            scale_downs=outcome.history.downs,
        )
        proposals = tuple((name, _as_proposal(result)) for name, result in zip(names, results, strict=True))
        current = observation.spec_replicas
        reason = _reason(current, outcome, results)
        return Step(outcome.replicas, reason, _trail(current, outcome), after, proposals)

    def propose(self, metric: HpaMetric, observation: Observation, now: float) -> Proposed | Failed:
        """Return what one metric asks for, or why it cannot be used."""
        result: Proposed | Invalid = Invalid("unable to get pods while calculating replica count")
        if observation.replicas_quality is Quality.OK:
            result = self._proposed(metric, observation, now)
        return Failed(f"FailedGet{metric.type}Metric", result.message) if isinstance(result, Invalid) else result

    def tolerances(self) -> Tolerances:
        """Return the tolerances of the behavior block, or of the controller manager."""
        if self.behavior is None:
            return Tolerances(self.tolerance, self.tolerance)
        up, down = self.behavior
        return Tolerances(down.tolerance, up.tolerance)

    def _proposed(self, metric: HpaMetric, observation: Observation, now: float) -> Proposed | Invalid:
        current, tolerances = observation.spec_replicas, self.tolerances()
        pods = pods_of(observation)
        if metric.type in (MetricType.OBJECT, MetricType.EXTERNAL):
            total = total_milli(observation, metric.signals)
            if isinstance(total, Invalid):
                return total
            if metric.value is not None:
                return value_replicas(current, total, in_milli(metric.value), pods, tolerances)
            return average_value_replicas(
                len(live(observation)), total, in_milli(metric.average_value or 0.0), tolerances
            )
        shares = shares_of(observation, metric.signals[0])
        if isinstance(shares, Invalid):
            return shares
        patience = Patience(self.cpu_initialization_seconds, self.initial_readiness_seconds)
        if metric.average_utilization is not None:
            target = metric.average_utilization
            return resource_replicas(current, target, metric.resource, pods, shares, tolerances, now, patience)
        resource = metric.resource if metric.type is MetricType.RESOURCE else ""
        target = in_milli(metric.average_value or 0.0)
        return pods_replicas(current, target, pods, shares, tolerances, now, resource, patience)


def _as_proposal(result: Proposed | Failed) -> Proposal:
    if isinstance(result, Failed):
        return Proposal(Kind.ABSTAIN, 0, f"{result.reason}: {result.message}", blocks_decrease=True)
    return Proposal(Kind.COUNT, result.replicas, f"at {result.utilization}")


def _trail(current: int, outcome: Outcome) -> tuple[Stage, ...]:
    if outcome.wanted is None or outcome.stabilized is None:
        why = ", ".join(reason for _, reason in outcome.conditions.values())
        return (Stage("reconcile", current, outcome.replicas, why),)
    return (
        Stage("metrics", current, outcome.wanted, "the highest of the metrics"),
        Stage("stabilization", outcome.wanted, outcome.stabilized, outcome.conditions[ABLE][1]),
        Stage("limits", outcome.stabilized, outcome.replicas, outcome.conditions[LIMITED][1]),
    )


_LIMITS = {
    "ScaleUpLimit": Reason.RATE_LIMITED,
    "ScaleDownLimit": Reason.RATE_LIMITED,
    "TooManyReplicas": Reason.MAX_REPLICAS,
    "TooFewReplicas": Reason.MIN_REPLICAS,
}


def _reason(current: int, outcome: Outcome, results: Sequence[Proposed | Failed]) -> Reason:
    active = outcome.conditions.get(ACTIVE)
    if active is None:
        return Reason.MAX_REPLICAS if outcome.replicas < current else Reason.MIN_REPLICAS
    if active == ("False", "ScalingDisabled"):
        return Reason.OFF
    if active[0] == "False":
        return Reason.NO_OPINION if all(isinstance(result, Failed) for result in results) else Reason.SIGNAL_NOT_OK
    limited = outcome.conditions[LIMITED]
    if limited[0] == "True":
        return _LIMITS[limited[1]]
    return Reason.STABILIZED if outcome.stabilized != outcome.wanted else Reason.DEMAND
