"""The stages from what the rules say to one count, each leaving a line in the trail.

Order: fallback floor, max of counts and floors, vetoes, ceilings, credit for starting replicas, stabilization, rate
limits, bounds, idle timer. A bound beats all; which bounds hold now, `bounds` says beforehand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.behavior import Recommendation, SelectPolicy, limit_rate, stabilize
from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.idle import may_sleep, wake
from autoscaler.engine.observation import GATEWAY_REQUESTS
from autoscaler.engine.sizing import Asked, Wanted, raise_to_floors, size, veto
from autoscaler.engine.stuck import Backoff, credit

if TYPE_CHECKING:
    from autoscaler.engine.bounds import Bounds
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Notice
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.engine.state import Evidence, State

_RATE_REASONS = {
    "ScaleUpLimit": Reason.RATE_LIMITED,
    "ScaleDownLimit": Reason.RATE_LIMITED,
    "TooManyReplicas": Reason.MAX_REPLICAS,
    "TooFewReplicas": Reason.MIN_REPLICAS,
}


_HOLDING = frozenset({Reason.NO_OPINION, Reason.SIGNAL_NOT_OK, Reason.VETO, Reason.ROLLOUT})


class Outcome(NamedTuple):
    """Where the stages ended, and what they leave to remember."""

    replicas: int
    reason: Reason
    trail: tuple[Stage, ...]
    recommendations: tuple[Recommendation, ...]
    backoff: Backoff
    blind_since: float | None = None
    notices: tuple[Notice, ...] = ()
    asked_replicas: int | None = None
    """Where they would have ended within the document's own bounds; None for `replicas`."""


class Proof(NamedTuple):
    """What this tick's samples prove, and since when the rules know nothing."""

    evidence: Evidence
    idle_why: str
    unsized_since: float | None


def hold(current: int, reason: Reason, why: str, state: State, now: float) -> Outcome:
    """Return the present count, and a history that begins with it."""
    backoff = Backoff(state.backoff_seconds, state.probe_at)
    history = (Recommendation(now, current),)
    return Outcome(current, reason, (Stage("paused", current, current, why),), history, backoff)


def asleep(
    observation: Observation, asked: Asked, state: State, spec: EngineSpec, bounds: Bounds, now: float
) -> Outcome:
    """Return what a target at zero replicas should have: nothing, or as many as held requests or a schedule wake."""
    backoff = Backoff(state.backoff_seconds, state.probe_at)
    zero = spec.scale_to_zero
    if zero is None or not spec.zero_allowed:
        why = "set to zero by hand, and the policy does not allow zero: off until raised by hand"
        return Outcome(0, Reason.OFF, (Stage("asleep", 0, 0, why),), (), backoff)
    woken = wake(observation.signals.get(GATEWAY_REQUESTS), state.blind_since, zero, now)
    wanted = raise_to_floors(woken.wanted.replicas, asked, 0) or woken.wanted
    asked_for = wanted.replicas
    if wanted.replicas < bounds.least:
        wanted = Wanted(bounds.least, Reason.MIN_REPLICAS, f"{wanted.why}; but at least {bounds.least} by schedule")
    trail = [Stage("asleep", 0, wanted.replicas, wanted.why)]
    if wanted.replicas == 0:
        return Outcome(0, wanted.reason, tuple(trail), (), backoff, woken.blind_since)
    events = (state.scale_ups, state.scale_downs)
    limited = limit_rate(0, wanted.replicas, (0, bounds.most), (spec.scale_up, spec.scale_down), events, now)
    least = 0 if spec.scale_up.select_policy is SelectPolicy.DISABLED else 1
    count = max(limited.replicas, least, bounds.least)
    trail.append(Stage("rate", wanted.replicas, count, limited.reason))
    reason = wanted.reason if count == wanted.replicas else _RATE_REASONS.get(limited.reason, wanted.reason)
    history = (Recommendation(now, count),)
    return Outcome(count, reason, tuple(trail), history, backoff, woken.blind_since, woken.notices, asked_for)


def awake(
    observation: Observation,
    fleet: Fleet,
    asked: Asked,
    state: State,
    spec: EngineSpec,
    proof: Proof,
    bounds: Bounds,
    now: float,
) -> Outcome:
    """Return what a target with replicas should have, stage by stage."""
    current = observation.spec_replicas
    fallback_floor = _fallback_floor(proof.unsized_since, spec, now)
    trail: list[Stage] = []

    wanted = _wanted(current, fleet, asked, fallback_floor, spec, trail)

    backoff = Backoff(state.backoff_seconds, state.probe_at)
    credited = credit(wanted.replicas, current, fleet, backoff, spec.startup, now)
    trail.append(Stage("credit", wanted.replicas, credited.replicas, credited.why))
    reason = wanted.reason if credited.replicas == wanted.replicas else Reason.STUCK

    windows = (spec.scale_up.stabilization_window_seconds, spec.scale_down.stabilization_window_seconds)
    stable, history = stabilize(current, credited.replicas, windows, state.recommendations, now)
    trail.append(_stabilize_stage(credited.replicas, stable, windows, len(history)))
    if stable != credited.replicas:
        reason = Reason.STABILIZED

    count, reason = _limit(current, stable, reason, state, spec, bounds, now, trail)
    if spec.scale_to_zero is not None and spec.zero_allowed and not bounds.least:
        held_up = bool(asked.blocked or asked.floor or fallback_floor) or count != 1 or current != 1
        sleep = not held_up and may_sleep(proof.evidence, fleet, spec.scale_to_zero, now)
        why = f"{proof.idle_why} of {spec.scale_to_zero.idle_after_seconds:g} s"
        trail.append(Stage("idle", count, 0 if sleep else count, why))
        if sleep:
            count, reason = 0, Reason.IDLE
    asked_for = _within_document(wanted.reason, stable, state, spec) if bounds.stages else None
    return Outcome(count, reason, tuple(trail), history, credited.backoff, None, credited.notices, asked_for)


def _within_document(reason: Reason, stable: int, state: State, spec: EngineSpec) -> int:
    """Return what the policy asks for, whatever rules make of the bounds.

    What only holds the present count would, without the moved bounds, hold what was asked for before.
    """
    if reason in _HOLDING and state.asked_replicas is not None:
        stable = min(stable, state.asked_replicas)
    return min(max(1, spec.min_replicas, stable), spec.max_replicas)


def _wanted(
    current: int, fleet: Fleet, asked: Asked, fallback_floor: int, spec: EngineSpec, trail: list[Stage]
) -> Wanted:
    wanted = size(asked, current, fleet, spec)
    trail.append(Stage("size", current, wanted.replicas, wanted.why))
    floored = raise_to_floors(wanted.replicas, asked, fallback_floor)
    if floored is not None:
        trail.append(Stage("floors", wanted.replicas, floored.replicas, floored.why))
        wanted = floored
    vetoed = veto(wanted.replicas, current, asked, fleet)
    if vetoed is not None:
        trail.append(Stage("veto", wanted.replicas, vetoed.replicas, vetoed.why))
        wanted = vetoed
    if asked.ceiling is not None and asked.ceiling < wanted.replicas:
        why = f"a rule's ceiling: at most {asked.ceiling}"
        trail.append(Stage("ceiling", wanted.replicas, asked.ceiling, why))
        wanted = Wanted(asked.ceiling, Reason.CEILING, why)
    return wanted


def _fallback_floor(unsized_since: float | None, spec: EngineSpec, now: float) -> int:
    if spec.fallback is None or unsized_since is None:
        return 0
    return spec.fallback.replicas if now - unsized_since >= spec.fallback.after_seconds else 0


def _stabilize_stage(wanted: int, stable: int, windows: tuple[float, float], kept: int) -> Stage:
    if stable == wanted:
        return Stage("stabilize", wanted, stable, f"{kept} recommendations agree")
    window = windows[1] if stable > wanted else windows[0]
    word = "most" if stable > wanted else "least"
    return Stage("stabilize", wanted, stable, f"{word} of {kept} recommendations in {window:g} s")


def _limit(
    current: int,
    stable: int,
    reason: Reason,
    state: State,
    spec: EngineSpec,
    bounds: Bounds,
    now: float,
    trail: list[Stage],
) -> tuple[int, Reason]:
    """Return the stabilized count after rate limits and bounds."""
    lowest, highest = max(1, bounds.least), bounds.most
    desired = min(stable, highest)
    if desired < stable:
        reason = Reason.MAX_REPLICAS
    behavior, events = (spec.scale_up, spec.scale_down), (state.scale_ups, state.scale_downs)
    limited = limit_rate(current, desired, (lowest, highest), behavior, events, now)
    if limited.replicas != desired:
        reason = _RATE_REASONS[limited.reason]
    trail.append(Stage("rate", desired, limited.replicas, limited.reason))
    count = max(limited.replicas, lowest)
    if count > limited.replicas:
        reason = Reason.MIN_REPLICAS
    if count > highest:
        # above a lowered maximum the down rate decides how fast; a direction switched off has none, so the bound does
        count = highest if spec.scale_down.select_policy is SelectPolicy.DISABLED else count
        reason = Reason.MAX_REPLICAS
    trail.append(Stage("bounds", limited.replicas, count, f"{lowest} to {highest}"))
    return count, reason
