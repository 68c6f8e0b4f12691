"""From what was collected of one target to its decision: pure, nothing is read and nothing is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.cluster.facts import TargetRef
from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import Observation, Quality, unknown
from autoscaler.engine.proposal import Notice
from autoscaler.engine.spec import Mode
from autoscaler.sources.target import PodAddress, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autoscaler.cluster.facts import TargetFacts
    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.engine.decision import Decider, Decision
    from autoscaler.engine.observation import Replica, Signal
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.engine.state import State

MODE_ANNOTATION = "autoscaler.inference.dev/mode"
PAUSED_ANNOTATION = "autoscaler.inference.dev/paused"
"""On the target itself: they may hold the daemon back, never set it loose."""

_CONSERVATISM = {mode: rank for rank, mode in enumerate(Mode)}
_FALSE = frozenset({"", "false", "0", "no"})


class Decided(NamedTuple):
    """One target's decision in one tick, and all that it was made from."""

    mode: Mode
    observation: Observation
    decision: Decision
    state: State
    """To hand in next time."""
    notices: tuple[Notice, ...] = ()
    """What the daemon itself has to say; the engine's notices are in the decision."""


def decide(
    compiled: CompiledTarget,
    facts: TargetFacts,
    signals: Mapping[str, Signal],
    state: State,
    now: float,
    *,
    dry_run: bool = False,
    decider: Callable[[EngineSpec], Decider] = Engine,
) -> Decided:
    """Return what the target should have at `now` (UTC epoch seconds), in the most conservative mode asked for."""
    mode, notices = effective_mode(compiled.spec.mode, facts.annotations, dry_run=dry_run)
    observation = observe(facts, signals)
    decision, after = decider(replace(compiled.spec, mode=mode)).decide(observation, state, now)
    return Decided(mode, observation, decision, after, notices)


def effective_mode(document: Mode, annotations: Mapping[str, str], *, dry_run: bool) -> tuple[Mode, tuple[Notice, ...]]:
    """Return the most conservative of the document's mode, `--dry-run` and the target's annotations.

    An annotation that cannot be read pauses the target, and says so: whoever wrote it wanted less, not more.
    """
    asked = [document, Mode.DRY_RUN if dry_run else Mode.ACTIVE]
    notices: tuple[Notice, ...] = ()
    if annotations.get(PAUSED_ANNOTATION, "").strip().lower() not in _FALSE:
        asked.append(Mode.PAUSED)
    if (text := annotations.get(MODE_ANNOTATION)) is not None:
        named = {mode.lower(): mode for mode in Mode}.get(text.strip().lower())
        asked.append(named or Mode.PAUSED)
        if named is None:
            allowed = ", ".join(Mode)
            message = f"annotation {MODE_ANNOTATION}: {text!r} is none of {allowed}: the target is paused"
            notices = (Notice("InvalidAnnotation", message),)
    return max(asked, key=_CONSERVATISM.__getitem__), notices


def observe(facts: TargetFacts, signals: Mapping[str, Signal]) -> Observation:
    """Return all that a decision may look at."""
    return Observation(
        facts.target,
        facts.spec_replicas,
        facts.replicas,
        signals,
        facts.replicas_quality,
        facts.deployment_paused,
        facts.other_writers,
    )


def ref_of(compiled: CompiledTarget) -> TargetRef:
    """Return what is scaled; its key names the target in all that the daemon says."""
    return TargetRef(compiled.namespace, compiled.target_name, compiled.api_version, compiled.kind)


def source_target(compiled: CompiledTarget, facts: TargetFacts, pod_port: int | None = None) -> Target:
    """Return what a source has to know of the target: what is asked for, and the live pods.

    `pod_port` is where pods serve `/metrics`; None for the preset's usual port.
    """
    pods = tuple(_pod_address(replica, facts, pod_port) for replica in facts.replicas if _is_live(replica))
    return Target(facts.target, compiled.namespace, compiled.backend, compiled.overrides, compiled.requests, pods)


def _is_live(replica: Replica) -> bool:
    return not replica.terminating and replica.phase not in ("Succeeded", "Failed")


def _pod_address(replica: Replica, facts: TargetFacts, port: int | None) -> PodAddress:
    """Return where the pod is; `host:port` in the addresses stands for a pod with a port of its own."""
    address, node = facts.addresses.get(replica.name, ""), facts.nodes.get(replica.name, "")
    host, colon, own_port = address.rpartition(":")
    if not colon or ":" in host:
        return PodAddress(replica.name, address, port, replica.ready, replica.created_at, node)
    return PodAddress(replica.name, host, int(own_port), replica.ready, replica.created_at, node)


def complete(compiled: CompiledTarget, signals: Mapping[str, Signal], why: str) -> Mapping[str, Signal]:
    """Return the signals with those that the source left out as unknown, and why."""
    missing = {r.key: unknown(r, Quality.ERROR, why) for r in compiled.requests if r.key not in signals}
    return {**signals, **missing} if missing else signals


def shift_facts(facts: TargetFacts, seconds: float) -> TargetFacts:
    """Return the facts with the wall clock's times moved to the daemon's; see `Reading.ahead_seconds`."""
    if not seconds:
        return facts
    return facts._replace(replicas=tuple(_shift_replica(replica, seconds) for replica in facts.replicas))


def shift_signals(signals: Mapping[str, Signal], seconds: float) -> Mapping[str, Signal]:
    """Return the signals with the wall clock's times moved to the daemon's."""
    if not seconds:
        return signals
    return {
        key: signal._replace(taken_at=signal.taken_at + seconds) if signal.taken_at else signal
        for key, signal in signals.items()
    }


def _shift_replica(replica: Replica, seconds: float) -> Replica:
    changed_at = replica.ready_changed_at
    return replica._replace(
        created_at=replica.created_at + seconds,
        ready_changed_at=None if changed_at is None else changed_at + seconds,
    )
