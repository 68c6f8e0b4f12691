"""One reconcile of an HPA: the metrics' proposals, stabilization, limits, and the status conditions.

Upstream: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go, `reconcileAutoscaler`,
`computeReplicasForMetrics`, `normalizeDesiredReplicas` and `normalizeDesiredReplicasWithBehaviors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.behavior import Recommendation, limit_rate, longest_period, stabilize, store_event
from autoscaler.peers.hpa_legacy import UpLimit, limit_up, stabilize_down

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.engine.behavior import ScaleEvent, ScalingRules
    from autoscaler.peers.hpa_calculator import Proposed

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class Rulebook(NamedTuple):
    """What an HPA object and its controller manager lay down."""

    min_replicas: int
    max_replicas: int
    behavior: tuple[ScalingRules, ScalingRules] | None = None
    """The (up, down) rules; None without a `behavior` block."""
    downscale_window_seconds: float = 300.0
    """Of the controller manager, for an HPA without a `behavior` block."""
    up_limit: UpLimit = UpLimit()

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest count."""
        return self.min_replicas, self.max_replicas


class History(NamedTuple):
    """What the controller keeps in its memory for one HPA."""

    recommendations: tuple[Recommendation, ...] | None = None
    """None before the first reconcile, or after a restart: then seeded with the current count."""
    ups: tuple[ScaleEvent, ...] = ()
    downs: tuple[ScaleEvent, ...] = ()


class Failed(NamedTuple):
    """A metric that could not be used."""

    reason: str
    """Upstream's word, such as `FailedGetResourceMetric`."""
    message: str


class Outcome(NamedTuple):
    """What the reconcile came to."""

    replicas: int
    conditions: Mapping[str, tuple[str, str]]
    """By type: status and reason."""
    wanted: int | None
    """The highest valid proposal; None where no metric was asked or none may be used."""
    stabilized: int | None
    history: History


class Combined(NamedTuple):
    """The metrics taken together."""

    replicas: int | None
    """None where nothing may be done."""
    condition: tuple[str, str]


def combine(spec_replicas: int, results: Sequence[Proposed | Failed]) -> Combined:
    """Return the highest proposal; one metric that failed forbids going down, and all of them any change."""
    failures = [result for result in results if isinstance(result, Failed)]
    wanted = 0
    for result in results:
        if not isinstance(result, Failed):
            wanted = max(wanted, result.replicas)
    if failures and (len(failures) >= len(results) or wanted < spec_replicas):
        return Combined(None, ("False", failures[0].reason))
    return Combined(wanted, ("True", "ValidMetricFound"))


def reconcile(
    rulebook: Rulebook, spec_replicas: int, results: Sequence[Proposed | Failed], history: History, now: float
) -> Outcome:
    """Return the new count; `results` are the metrics' proposals, in the order of the HPA."""
    current, conditions = spec_replicas, {ABLE: ("True", "SucceededGetScale")}
    if history.recommendations is None:
        history = history._replace(recommendations=(Recommendation(now, current),))
    if current == 0 and rulebook.min_replicas != 0:
        return Outcome(0, {**conditions, ACTIVE: ("False", "ScalingDisabled")}, None, None, history)
    if not rulebook.min_replicas <= current <= rulebook.max_replicas:
        nearest = rulebook.max_replicas if current > rulebook.max_replicas else rulebook.min_replicas
        return _rescaled(Outcome(nearest, conditions, None, None, history), rulebook, current, now)
    combined = combine(current, results)
    conditions[ACTIVE] = combined.condition
    if combined.replicas is None:
        return Outcome(current, conditions, None, None, history)
    outcome = _normalized(rulebook, current, combined.replicas, history, now)
    outcome = outcome._replace(conditions={**conditions, **outcome.conditions})
    return _rescaled(outcome, rulebook, current, now)


def _normalized(rulebook: Rulebook, current: int, wanted: int, history: History, now: float) -> Outcome:
    recommendations = history.recommendations or ()
    if rulebook.behavior is None:
        stabilized, kept = stabilize_down(wanted, rulebook.downscale_window_seconds, recommendations, now)
        limited = limit_up(current, stabilized, rulebook.bounds, rulebook.up_limit)
        word = "ScaleDownStabilized"
    else:
        up, down = rulebook.behavior
        windows = (up.stabilization_window_seconds, down.stabilization_window_seconds)
        stabilized, kept = stabilize(current, wanted, windows, recommendations, now)
        events = (history.ups, history.downs)
        limited = limit_rate(current, stabilized, rulebook.bounds, rulebook.behavior, events, now)
        word = "ScaleUpStabilized" if wanted >= current else "ScaleDownStabilized"
    able = word if stabilized != wanted else "ReadyForNewScale"
    conditions = {
        ABLE: ("True", able),
        LIMITED: ("False" if limited.replicas == stabilized else "True", limited.reason),
    }
    return Outcome(limited.replicas, conditions, wanted, stabilized, history._replace(recommendations=kept))


def _rescaled(outcome: Outcome, rulebook: Rulebook, current: int, now: float) -> Outcome:
    """Note the change, which upstream does once the scale was written; nothing is noted without `behavior`."""
    change = outcome.replicas - current
    if not change:
        return outcome
    history = outcome.history
    if rulebook.behavior is not None:
        up, down = rulebook.behavior
        if change > 0:
            history = history._replace(ups=store_event(history.ups, change, longest_period(up), now))
        else:
            history = history._replace(downs=store_event(history.downs, -change, longest_period(down), now))
    return outcome._replace(conditions={**outcome.conditions, ABLE: ("True", "SucceededRescale")}, history=history)
