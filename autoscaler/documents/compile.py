"""From documents to what the engine and the sources work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.documents.autoscaler import InferenceAutoscaler
from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.misfits import misfits
from autoscaler.documents.named_policy import policy_of, with_named
from autoscaler.documents.parse import Origin
from autoscaler.documents.signals import overrides, wakes, wanted
from autoscaler.errors import DocumentError
from autoscaler.rules.registry import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.documents.autoscaler import InferenceAutoscalerSpec
    from autoscaler.documents.load import Documents, Loaded
    from autoscaler.documents.objective import Objective, TargetReplica
    from autoscaler.documents.policy import ScalingPolicy, ScalingPolicySpec
    from autoscaler.engine.observation import SignalRequest
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.errors import Problem
    from autoscaler.rules.base import RuleModel
    from autoscaler.signals.query import SignalQuery

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
    policy = policy_of(spec, policies, registry, place)
    problems = misfits(spec, policy, place)
    if problems:
        raise DocumentError(*problems)
    target, engine_spec = spec.scale_target_ref, _engine_spec(spec, policy, interval_seconds)
    requests = wanted(engine_spec, waking=wakes(spec))
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
        spec.replica,
        spec.objective,
    )


def _engine_spec(spec: InferenceAutoscalerSpec, policy: ScalingPolicySpec, interval_seconds: float) -> EngineSpec:
    replica, objective = spec.replica, spec.objective
    return compile_spec(
        policy,
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas,
        mode=spec.mode,
        interval_seconds=interval_seconds,
        startup=spec.startup.compiled(),
        fallback=None if spec.fallback is None else spec.fallback.compiled(),
        on_foreign_change=spec.on_foreign_change,
        foreign_hold_seconds=spec.foreign_hold_seconds,
        extra=_beside_policy(spec),
        preset=None if replica is None else replica.preset,
        iteration=None if replica is None else replica.iteration,
        ttft_seconds=None if objective is None else objective.ttft_seconds,
        tpot_seconds=None if objective is None else objective.tpot_seconds,
    )


def _beside_policy(spec: InferenceAutoscalerSpec) -> dict[str, Any]:
    """Return what else of a document a decision's history depends on."""
    where_given = {"gateway": spec.gateway, "replica": spec.replica, "objective": spec.objective}
    return {
        "backend": spec.backend,
        "signals": spec.signals,
        "target": spec.scale_target_ref,
        **{name: value for name, value in where_given.items() if value is not None},
    }


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
                    with_named(policies, document, documents.registry),
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


def _autoscalers(items: Sequence[Loaded]) -> list[tuple[InferenceAutoscaler, Origin]]:
    return [(item.document, item.origin) for item in items if isinstance(item.document, InferenceAutoscaler)]
