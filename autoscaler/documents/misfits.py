"""What does not fit between a target, its policy and what is measured there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.documents.problems import problem_at
from autoscaler.documents.signals import EVIDENCE, SIGNS, measurable, measured
from autoscaler.documents.wording import close_match, listed
from autoscaler.engine.observation import GATEWAY_REQUESTS, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.latency import Latency
from autoscaler.rules.schedule import Schedule
from autoscaler.signals.presets import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.documents.autoscaler import InferenceAutoscalerSpec
    from autoscaler.documents.parse import Origin
    from autoscaler.documents.policy import ScalingPolicySpec
    from autoscaler.documents.problems import Location
    from autoscaler.errors import Problem


def misfits(spec: InferenceAutoscalerSpec, policy: ScalingPolicySpec, origin: Origin) -> list[Problem]:
    """Return what is wrong between a target and its policy; only the backend where that is unknown."""
    if spec.backend not in BACKENDS:
        allowed = f"must be one of {listed(BACKENDS)}{close_match(spec.backend, BACKENDS)}"
        return [problem_at(origin, ("spec", "backend"), spec.backend, allowed)]
    return [
        *_zero_misfits(spec, policy, origin),
        *_schedule_misfits(spec, policy, origin),
        *_objective_misfits(spec, policy, origin),
        *_signal_misfits(spec, policy, origin),
    ]


def _zero_misfits(spec: InferenceAutoscalerSpec, policy: ScalingPolicySpec, origin: Origin) -> Iterator[Problem]:
    """Yield what keeps a target from zero although somebody wants it there: the first such thing alone."""
    zero = policy.scale_to_zero is not None
    if zero != (spec.min_replicas == 0):
        allowed = (
            "must be 0, for the policy has `scaleToZero`: both say zero, or neither"
            if zero
            else "must be at least 1, for the policy has no `scaleToZero`: both say zero, or neither"
        )
        yield problem_at(origin, ("spec", "minReplicas"), spec.min_replicas, allowed)
    elif zero and (lack := _unmeasured_at_zero(spec)):
        yield problem_at(origin, ("spec", "signals"), None, lack)


def _unmeasured_at_zero(spec: InferenceAutoscalerSpec) -> str:
    """Return what scale-to-zero needs to know and nothing measures; empty where nothing is missing."""
    if not measured(spec, SignalRequest(GATEWAY_REQUESTS)):
        return (
            "scale-to-zero needs a wake signal: give `gatewayRequests`, the requests held in front of the backend, "
            "for at zero replicas nothing else can tell that somebody waits"
        )
    lacking = [request.name for request in EVIDENCE if not measured(spec, request)]
    if lacking:
        return (
            f"scale-to-zero needs proof of idleness, and {spec.backend} does not have {' nor '.join(lacking)}: "
            "give it in `spec.signals`"
        )
    return ""


def _schedule_misfits(spec: InferenceAutoscalerSpec, policy: ScalingPolicySpec, origin: Origin) -> Iterator[Problem]:
    """Yield the windows whose bounds and those of the document have no count in common."""
    schedules = [rule for rule in policy.rules if isinstance(rule, Schedule)]
    for rule in schedules:
        for number, window in enumerate(rule.windows):
            most = spec.max_replicas if window.max_replicas is None else window.max_replicas
            if window.min_replicas <= spec.max_replicas and most >= spec.min_replicas:
                continue
            allowed = (
                f"the window {number + 1} of the rule {rule.name!r}, {window.min_replicas} to {most} replicas, and the "
                f"document's {spec.min_replicas} to {spec.max_replicas} have no count in common"
            )
            yield problem_at(origin, _rules_place(spec), None, allowed)


def _objective_misfits(spec: InferenceAutoscalerSpec, policy: ScalingPolicySpec, origin: Origin) -> Iterator[Problem]:
    """Yield the guards that have nothing to guard."""
    if spec.objective is not None:
        return
    for rule in policy.rules:
        if isinstance(rule, Latency) and rule.objective_seconds is None:
            allowed = (
                f"the rule {rule.name!r} names no objectiveSeconds: give it there, or here for all rules, as "
                "{ttftSeconds: 2}"
            )
            yield problem_at(origin, ("spec", "objective"), None, allowed)


def _signal_misfits(spec: InferenceAutoscalerSpec, policy: ScalingPolicySpec, origin: Origin) -> Iterator[Problem]:
    """Yield the signals that a rule needs and nothing measures; a guard takes any sign of load for another."""
    has_sign = any(measured(spec, sign) for sign in SIGNS)
    for rule in policy.compiled_rules:
        for request in rule.needs:
            if measured(spec, request) or (rule.role is Role.GUARD and request in SIGNS and has_sign):
                continue
            allowed = (
                f"the rule {rule.name!r} needs the signal {request.name}, which {spec.backend} does not have: "
                f"give it in `spec.signals`, or use one of {listed(measurable(spec))}"
            )
            yield problem_at(origin, _rules_place(spec), None, allowed)


def _rules_place(spec: InferenceAutoscalerSpec) -> Location:
    """Return where the document says which rules it has."""
    return ("spec", "policy", "rules") if spec.policy is not None else ("spec", "policyRef")
