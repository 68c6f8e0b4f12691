"""Credit for replicas that are starting, and patience with replicas that will not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.proposal import Notice

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.spec import Startup


class Backoff(NamedTuple):
    """How long to wait before asking for one replica more while others are stuck."""

    pause_seconds: float
    """0 while nothing is stuck."""
    probe_at: float
    """UTC epoch seconds."""


NO_BACKOFF = Backoff(0.0, 0.0)


class Credited(NamedTuple):
    """The wanted count after credit, and the back-off to remember."""

    replicas: int
    why: str
    backoff: Backoff
    notices: tuple[Notice, ...] = ()


def credit(wanted: int, current: int, fleet: Fleet, backoff: Backoff, startup: Startup, now: float) -> Credited:
    """Return what may really be asked for, given the replicas on their way and those that are stuck.

    Starting replicas are capacity: a count that ready and starting ones fill asks for nothing more. Unschedulable
    ones never take the target beyond its present count but for one probe per back-off. Crash-looping and slow ones
    get one replacement, and a probe per back-off where they are half of the fleet or more: whatever breaks them
    would break the next one too.
    """
    serving = fleet.ready + fleet.starting
    if not fleet.known or fleet.rollout:
        why = "a rolling update's surge is not counted" if fleet.known else "the pods are not known: no credit"
        return Credited(wanted, why, backoff)
    if not fleet.stuck:
        return Credited(wanted, _on_their_way(wanted, current, fleet), NO_BACKOFF)
    notices = (_stuck_notice(fleet),)
    if wanted <= serving:
        return Credited(wanted, f"{serving} ready or starting are enough", backoff, notices)
    if fleet.unschedulable:
        return _probe(wanted, current, fleet, backoff, startup, now)._replace(notices=notices)
    goal = wanted + 1
    if 2 * fleet.stuck < fleet.ready + fleet.starting + fleet.stuck:
        return Credited(goal, f"{_stuck_text(fleet)}: one replacement", backoff, notices)
    return _probe(goal, current, fleet, backoff, startup, now)._replace(notices=notices)


def _probe(goal: int, current: int, fleet: Fleet, backoff: Backoff, startup: Startup, now: float) -> Credited:
    text = _stuck_text(fleet)
    if goal <= current:
        return Credited(goal, f"{text}: not beyond {current}", backoff)
    if not backoff.pause_seconds:
        backoff = Backoff(startup.backoff_seconds, now + startup.backoff_seconds)
    if now < backoff.probe_at:
        return Credited(current, f"{text}: next probe in {backoff.probe_at - now:.0f} s", backoff)
    pause = min(2 * backoff.pause_seconds, startup.backoff_limit_seconds)
    return Credited(current + 1, f"{text}: one probe, then {pause:.0f} s of patience", Backoff(pause, now + pause))


def _on_their_way(wanted: int, current: int, fleet: Fleet) -> str:
    if fleet.starting and wanted <= current:
        return f"{fleet.ready} ready + {fleet.starting} starting: nothing more to ask for"
    return f"{fleet.ready} ready + {fleet.starting} starting"


def _stuck_text(fleet: Fleet) -> str:
    counts = (("unschedulable", fleet.unschedulable), ("crash-looping", fleet.crashing), ("slow", fleet.slow))
    return ", ".join(f"{count} {word}" for word, count in counts if count)


def _stuck_notice(fleet: Fleet) -> Notice:
    return Notice("ReplicasStuck", f"replicas that do not become Ready: {_stuck_text(fleet)}")
