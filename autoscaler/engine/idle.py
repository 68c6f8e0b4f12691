"""Zero needs proof: what counts as evidence of idleness, and what wakes a target that sleeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import COMPLETED_REQUESTS, GATEWAY_REQUESTS, PENDING_REQUESTS, Quality
from autoscaler.engine.proposal import Notice
from autoscaler.engine.sizing import Wanted
from autoscaler.engine.state import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Signal
    from autoscaler.engine.spec import EngineSpec, ScaleToZero

GAP_INTERVALS = 2
"""Evidence older, or with a hole longer, than this many intervals proves nothing."""
STALLED_AFTER_SECONDS = 3600.0


def watch(
    signals: Mapping[str, Signal], fleet: Fleet, evidence: Evidence, spec: EngineSpec, now: float
) -> tuple[Evidence, str]:
    """Return the evidence with this tick's samples in it, and why the target is or is not idle.

    Gauges alone prove nothing: with one half-second request a minute, most scrapes see zero. So the completion
    counter must be flat as well, through the whole window, without a gap between the samples.
    """
    pending, completed = signals.get(PENDING_REQUESTS), signals.get(COMPLETED_REQUESTS)
    total = completed.value if completed and completed.quality is Quality.OK else None
    moved = total is not None and total != evidence.completed
    stalled = None if moved or not pending or not pending.value else evidence.stalled_since or now
    why_not = _why_not_idle(signals, fleet, spec, now)
    if why_not or pending is None or total is None:
        kept = evidence.completed if total is None else total
        return Evidence(None, evidence.seen_at, kept, stalled), why_not
    gap_seconds = pending.taken_at - evidence.seen_at
    unbroken = evidence.idle_since is not None and gap_seconds <= GAP_INTERVALS * spec.interval_seconds
    since = evidence.idle_since if unbroken and not moved and evidence.idle_since is not None else now
    return Evidence(since, pending.taken_at, total, stalled), f"idle for {now - since:.0f} s"


def _why_not_idle(signals: Mapping[str, Signal], fleet: Fleet, spec: EngineSpec, now: float) -> str:
    if not fleet.known:
        return "not idle: the pods are not known"
    if fleet.ready == 0:
        return "not idle: no replica is ready"
    threshold = spec.scale_to_zero.wake_threshold if spec.scale_to_zero else 0.0
    for name, limit in ((PENDING_REQUESTS, 0.0), (COMPLETED_REQUESTS, math.inf), (GATEWAY_REQUESTS, threshold)):
        signal = signals.get(name)
        if signal is None or signal.quality is not Quality.OK or signal.value is None:
            return f"not idle: {name} is {signal.quality if signal else 'not measured'}"
        if now - signal.taken_at > GAP_INTERVALS * spec.interval_seconds:
            return f"not idle: {name} is {now - signal.taken_at:.0f} s old"
        if signal.value > limit:
            return f"not idle: {name} is {signal.value:g}"
    return ""


def stalled_notice(evidence: Evidence, now: float) -> tuple[Notice, ...]:
    """Return the notice that requests have been in flight for an hour without one being completed."""
    if evidence.stalled_since is None or now - evidence.stalled_since < STALLED_AFTER_SECONDS:
        return ()
    return (Notice("StreamStalled", "requests in flight for an hour, and none was completed: zero is out of reach"),)


def may_sleep(evidence: Evidence, fleet: Fleet, zero: ScaleToZero, now: float) -> bool:
    """Return whether the idle timer has run out, with nothing starting, stuck or half rolled out."""
    return (
        evidence.idle_since is not None
        and now - evidence.idle_since >= zero.idle_after_seconds
        and fleet.ready > 0
        and fleet.starting == 0
        and fleet.stuck == 0
        and not fleet.rollout
    )


class Woken(NamedTuple):
    """What a sleeping target should have now."""

    wanted: Wanted
    blind_since: float | None
    notices: tuple[Notice, ...] = ()


def wake(gateway: Signal | None, blind_since: float | None, zero: ScaleToZero, now: float) -> Woken:
    """Return how many replicas the requests held at the gateway wake: 0, or at least 1.

    A wake signal that has not been ok for `blind_after_seconds` wakes one replica: nobody would notice otherwise.
    """
    if gateway is not None and gateway.quality in (Quality.OK, Quality.PARTIAL) and gateway.value is not None:
        held = gateway.value
        if held > zero.wake_threshold:
            count = max(1, math.ceil(held / zero.target_per_replica))
            return Woken(Wanted(count, Reason.WAKE, f"{held:g} held / {zero.target_per_replica:g} per replica"), None)
        if gateway.quality is Quality.OK:
            return Woken(Wanted(0, Reason.ASLEEP, "nothing is held at the gateway"), None)
    since = now if blind_since is None else blind_since
    word = gateway.quality if gateway else "not measured"
    if now - since < zero.blind_after_seconds:
        return Woken(Wanted(0, Reason.ASLEEP, f"{GATEWAY_REQUESTS} is {word} for {now - since:.0f} s"), since)
    message = f"{GATEWAY_REQUESTS} has been {word} for {now - since:.0f} s: one replica, to be safe"
    return Woken(Wanted(1, Reason.BLIND_WAKE, message), since, (Notice("BlindWake", message),))
