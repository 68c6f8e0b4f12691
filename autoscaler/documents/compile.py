"""From documents to what the engine and the sources work with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from autoscaler.documents.autoscaler import InferenceAutoscaler
from autoscaler.documents.load import Documents, Loaded, find_policy, own_policy_names, policy_names
from autoscaler.documents.parse import Origin
from autoscaler.documents.problems import key_path
from autoscaler.documents.scenario import Scenario
from autoscaler.documents.signals import measurable, measured, overrides, wakes
from autoscaler.documents.wording import close_match, listed, shown
from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    GATEWAY_REQUESTS,
    PENDING_REQUESTS,
    QUEUE_DEPTH,
    SignalRequest,
)
from autoscaler.engine.proposal import Role
from autoscaler.engine.spec import EngineSpec, Fallback, Mode, OnForeignChange, ScaleToZero, Startup
from autoscaler.errors import DocumentError, Problem
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.latency import Latency
from autoscaler.rules.pending_requests import PendingRequests
from autoscaler.rules.registry import BUILT_IN
from autoscaler.rules.schedule import Schedule
from autoscaler.signals.presets import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.documents.objective import Objective, TargetReplica
    from autoscaler.documents.policy import ScalingPolicy, ScalingPolicySpec
    from autoscaler.engine.proposal import Rule
    from autoscaler.rules.base import RuleModel
    from autoscaler.rules.iteration import Iteration
    from autoscaler.signals.query import SignalQuery

_EVIDENCE = (SignalRequest(PENDING_REQUESTS), SignalRequest(COMPLETED_REQUESTS))
"""What proves idleness, and that a stream is stuck: asked for whatever the rules are."""
_SIGNS = (SignalRequest(QUEUE_DEPTH), SignalRequest(PENDING_REQUESTS))
"""The signs of load, of which a guard takes either."""

_STARTUP = Startup()
_NOWHERE = Origin("")


class CompiledTarget(NamedTuple):
    """One target, ready to be observed and decided for."""

    name: str
    """Of the InferenceAutoscaler."""
    namespace: str
    kind: str
    """Of the target, as `Deployment`."""
    target_name: str
    api_version: str
    """Of the target, as `apps/v1`."""
    spec: EngineSpec
    backend: str
    overrides: Mapping[str, SignalQuery]
    """The document's own `signals`, and those of its gateway."""
    requests: tuple[SignalRequest, ...]
    """What the rules, the idle timer and the wake signal need, each once."""
    replica: TargetReplica | None = None
    """What one replica is, where the document says."""
    objective: Objective | None = None
    """What requests are promised, where the document says."""

    @property
    def key(self) -> str:
        """`namespace/name` of the target, as in `Observation.target`."""
        return f"{self.namespace}/{self.target_name}"


def compile_spec(
    policy: ScalingPolicySpec,
    *,
    min_replicas: int,
    max_replicas: int,
    mode: Mode = Mode.ACTIVE,
    interval_seconds: float = 15.0,
    startup: Startup = _STARTUP,
    fallback: Fallback | None = None,
    on_foreign_change: OnForeignChange = OnForeignChange.OVERRIDE,
    foreign_hold_seconds: float = 3600.0,
    extra: Mapping[str, Any] | None = None,
    preset: str | None = None,
    iteration: Iteration | None = None,
    ttft_seconds: float | None = None,
    tpot_seconds: float | None = None,
) -> EngineSpec:
    """Return the engine's spec of a policy between bounds; `extra` is what else the fingerprint must change with.

    `preset` or `iteration` is the replica that it is used for, `ttft_seconds` and `tpot_seconds` are what is promised
    there, each where it is known.
    """
    pending = next((rule.target_per_replica for rule in policy.rules if isinstance(rule, PendingRequests)), None)
    context = PolicyContext(max_replicas, pending, preset, iteration, ttft_seconds, tpot_seconds)
    rules = cast("tuple[Rule, ...]", tuple(rule.bind(context) for rule in policy.rules))
    up, down = policy.behavior.compiled()
    zero = policy.scale_to_zero
    return EngineSpec(
        min_replicas,
        max_replicas,
        rules,
        fingerprint({"policy": policy, "startup": asdict(startup), "interval": interval_seconds, **(extra or {})}),
        mode,
        up,
        down,
        None
        if zero is None
        else ScaleToZero(
            zero.idle_after_seconds,
            zero.target_per_replica or pending or 1.0,
            zero.wake_threshold,
            zero.blind_after_seconds,
        ),
        fallback,
        startup,
        on_foreign_change,
        foreign_hold_seconds,
        interval_seconds,
    )


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Return a stable hash of what a decision's history depends on.

    The canonical JSON: defaults written out, keys sorted. So a comment, the order of keys or a default that somebody
    spells out changes nothing, and neither do bounds, mode or fallback, which need no history.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever json does not know
    return value.model_dump(mode="json", by_alias=True)


def compile_target(
    autoscaler: InferenceAutoscaler,
    policies: Mapping[str, ScalingPolicy],
    *,
    interval_seconds: float = 15.0,
    registry: Mapping[str, type[RuleModel]] = BUILT_IN,
    origin: Origin = _NOWHERE,
) -> CompiledTarget:
    """Return one InferenceAutoscaler with its policy, found among `policies` or in the library.

    Raises:
        DocumentError: the policy does not exist, or the two do not fit together.
    """
    spec, metadata = autoscaler.spec, autoscaler.metadata
    place = origin if origin is not _NOWHERE else Origin(f"InferenceAutoscaler {metadata.namespace}/{metadata.name}")
    policy = _policy(autoscaler, policies, registry, place)
    problems = _misfits(autoscaler, policy, place)
    if problems:
        raise DocumentError(*problems)
    target, replica, objective = spec.scale_target_ref, spec.replica, spec.objective
    engine_spec = compile_spec(
        policy,
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas,
        mode=spec.mode,
        interval_seconds=interval_seconds,
        startup=spec.startup.compiled(),
        fallback=None if spec.fallback is None else spec.fallback.compiled(),
        on_foreign_change=spec.on_foreign_change,
        foreign_hold_seconds=spec.foreign_hold_seconds,
        extra={
            "backend": spec.backend,
            "signals": spec.signals,
            "target": target,
            **{
                name: value
                for name, value in (("gateway", spec.gateway), ("replica", replica), ("objective", objective))
                if value is not None
            },
        },
        preset=None if replica is None else replica.preset,
        iteration=None if replica is None else replica.iteration,
        ttft_seconds=None if objective is None else objective.ttft_seconds,
        tpot_seconds=None if objective is None else objective.tpot_seconds,
    )
    requests = _requests(engine_spec, waking=wakes(spec))
    return CompiledTarget(
        metadata.name,
        metadata.namespace,
        target.kind,
        target.name,
        target.api_version,
        engine_spec,
        spec.backend,
        overrides(spec, requests),
        requests,
        replica,
        objective,
    )


def compile_all(documents: Documents, *, interval_seconds: float = 15.0) -> tuple[CompiledTarget, ...]:
    """Return every InferenceAutoscaler among the documents, compiled.

    Raises:
        DocumentError: with everything that is wrong in any of them.
    """
    problems: list[Problem] = []
    targets = []
    policies = dict(documents.policies)
    for document, origin in _autoscalers(documents.items):
        try:
            targets.append(
                compile_target(
                    document,
                    _with_named(policies, document, documents.registry),
                    interval_seconds=interval_seconds,
                    registry=documents.registry,
                    origin=origin,
                )
            )
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(*problems)
    return tuple(targets)


def _with_named(
    policies: dict[str, ScalingPolicy], document: InferenceAutoscaler, registry: Mapping[str, type[RuleModel]]
) -> dict[str, ScalingPolicy]:
    """Return the policies with the one that the document names put among them: the library is read once for each."""
    name = document.spec.policy_ref.name if document.spec.policy_ref is not None else None
    if name is not None and name not in policies and (found := find_policy(name, policies, registry)) is not None:
        policies[name] = found
    return policies


def scenario_problems(documents: Documents) -> tuple[Problem, ...]:
    """Return what is wrong with the policies that the scenarios name."""
    known = policy_names(documents.policies)
    problems = []
    for document, origin in documents.items:
        names = document.spec.policies if isinstance(document, Scenario) else ()
        for number, name in enumerate(names):
            if name not in known:
                allowed = f"must name a ScalingPolicy or PeerPolicy: {listed(known)}{close_match(name, known)}"
                location = ("spec", "policies", number)
                problems.append(Problem(origin.at(location), key_path(location), shown(name), allowed))
    return tuple(problems)


def _autoscalers(items: Sequence[Loaded]) -> list[tuple[InferenceAutoscaler, Origin]]:
    return [(item.document, item.origin) for item in items if isinstance(item.document, InferenceAutoscaler)]


def _policy(
    autoscaler: InferenceAutoscaler,
    policies: Mapping[str, ScalingPolicy],
    registry: Mapping[str, type[RuleModel]],
    origin: Origin,
) -> ScalingPolicySpec:
    spec = autoscaler.spec
    if spec.policy is not None:
        return spec.policy
    name = spec.policy_ref.name if spec.policy_ref is not None else ""
    found = find_policy(name, policies, registry)
    if found is None:
        known = own_policy_names(policies)
        peers = "; it is a peer's, for the simulator alone" if name in policy_names(policies) else ""
        allowed = (
            f"must name a ScalingPolicy of the documents or the library: {listed(known)}"
            f"{peers or close_match(name, known)}"
        )
        raise DocumentError(_problem(origin, ("spec", "policyRef", "name"), name, allowed))
    return found.spec


def _misfits(autoscaler: InferenceAutoscaler, policy: ScalingPolicySpec, origin: Origin) -> list[Problem]:
    """Return what is wrong between a target and its policy."""
    spec = autoscaler.spec
    if spec.backend not in BACKENDS:
        allowed = f"must be one of {listed(BACKENDS)}{close_match(spec.backend, BACKENDS)}"
        return [_problem(origin, ("spec", "backend"), spec.backend, allowed)]
    problems = [
        *_zero_misfits(autoscaler, policy, origin),
        *_schedule_misfits(autoscaler, policy, origin),
        *_objective_misfits(autoscaler, policy, origin),
    ]
    has_sign = any(measured(spec, sign) for sign in _SIGNS)
    for rule in policy.compiled_rules:
        for request in rule.needs:
            if measured(spec, request) or (rule.role is Role.GUARD and request in _SIGNS and has_sign):
                continue
            place = ("spec", "policy", "rules") if spec.policy is not None else ("spec", "policyRef")
            allowed = (
                f"the rule {rule.name!r} needs the signal {request.name}, which {spec.backend} does not have: "
                f"give it in `spec.signals`, or use one of {listed(measurable(spec))}"
            )
            problems.append(_problem(origin, place, None, allowed))
    return problems


def _zero_misfits(autoscaler: InferenceAutoscaler, policy: ScalingPolicySpec, origin: Origin) -> list[Problem]:
    """Return what keeps a target from zero although somebody wants it there."""
    spec = autoscaler.spec
    zero = policy.scale_to_zero is not None
    if zero != (spec.min_replicas == 0):
        allowed = (
            "must be 0, for the policy has `scaleToZero`: both say zero, or neither"
            if zero
            else "must be at least 1, for the policy has no `scaleToZero`: both say zero, or neither"
        )
        return [_problem(origin, ("spec", "minReplicas"), spec.min_replicas, allowed)]
    if not zero:
        return []
    if not measured(spec, SignalRequest(GATEWAY_REQUESTS)):
        allowed = (
            "scale-to-zero needs a wake signal: give `gatewayRequests`, the requests held in front of the backend, "
            "for at zero replicas nothing else can tell that somebody waits"
        )
        return [_problem(origin, ("spec", "signals"), None, allowed)]
    lacking = [request.name for request in _EVIDENCE if not measured(spec, request)]
    if lacking:
        allowed = (
            f"scale-to-zero needs proof of idleness, and {spec.backend} does not have {' nor '.join(lacking)}: "
            "give it in `spec.signals`"
        )
        return [_problem(origin, ("spec", "signals"), None, allowed)]
    return []


def _schedule_misfits(autoscaler: InferenceAutoscaler, policy: ScalingPolicySpec, origin: Origin) -> list[Problem]:
    """Return the windows whose bounds and those of the document have no count in common."""
    spec = autoscaler.spec
    place = ("spec", "policy", "rules") if spec.policy is not None else ("spec", "policyRef")
    problems = []
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
            problems.append(_problem(origin, place, None, allowed))
    return problems


def _objective_misfits(autoscaler: InferenceAutoscaler, policy: ScalingPolicySpec, origin: Origin) -> list[Problem]:
    """Return the guards that have nothing to guard."""
    if autoscaler.spec.objective is not None:
        return []
    lacking = [rule.name for rule in policy.rules if isinstance(rule, Latency) and rule.objective_seconds is None]
    allowed = "the rule {!r} names no objectiveSeconds: give it there, or here for all rules, as {{ttftSeconds: 2}}"
    return [_problem(origin, ("spec", "objective"), None, allowed.format(name)) for name in lacking]


def _problem(origin: Origin, location: tuple[str, ...], value: object, allowed: str) -> Problem:
    return Problem(origin.at(location), key_path(location), "" if value is None else shown(value), allowed)


def _requests(spec: EngineSpec, *, waking: bool) -> tuple[SignalRequest, ...]:
    wanted = [request for rule in spec.rules for request in rule.needs]
    wanted += _EVIDENCE
    if spec.scale_to_zero is not None or waking:
        wanted.append(SignalRequest(GATEWAY_REQUESTS))
    return tuple(dict.fromkeys(wanted))
