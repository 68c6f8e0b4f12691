"""What the engine remembers of one target: frozen, small, JSON-able, returned with every decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.engine.behavior import Recommendation, ScaleEvent, longest_period, store_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.proposal import Memory
    from autoscaler.engine.spec import EngineSpec


class Evidence(NamedTuple):
    """What the samples have proven about idleness, and about streams that never end."""

    idle_since: float | None = None
    """Start of the unbroken proof that nothing is asked of the target, in UTC epoch seconds; None without one."""
    seen_at: float = 0.0
    """When the newest sample of the proof was taken."""
    completed: float = 0.0
    """The completion counter at that sample."""
    stalled_since: float | None = None
    """Since when requests have been in flight without one being completed."""


class State(NamedTuple):
    """All that a decision depends on besides the observation."""

    fingerprint: str = ""
    """Of the spec that wrote this state."""
    last_at: float | None = None
    """When the last decision was made, in UTC epoch seconds."""
    last_replicas: int | None = None
    """The count last observed, or last confirmed as written."""
    recommendations: tuple[Recommendation, ...] = ()
    scale_ups: tuple[ScaleEvent, ...] = ()
    scale_downs: tuple[ScaleEvent, ...] = ()
    evidence: Evidence = Evidence()
    blind_since: float | None = None
    """Since when the wake signal has not been ok while at zero."""
    unsized_since: float | None = None
    """Since when every sizing signal has been unknown."""
    startups_seconds: tuple[float, ...] = ()
    """The last start-ups seen, at most 8."""
    ready_names: tuple[str, ...] = ()
    """Ready replicas at the last decision: a new name is a start-up to learn from."""
    backoff_seconds: float = 0.0
    """The present pause between probes while replicas are unschedulable; 0 when none are."""
    probe_at: float = 0.0
    """When the next probe is allowed, in UTC epoch seconds."""
    hold_until: float = 0.0
    """A foreign change is left alone until then, in UTC epoch seconds."""
    memories: Mapping[str, Memory] = {}
    """By rule name."""
    asked_replicas: int | None = None
    """What the last decision would have been within the document's own bounds; None before the first."""


def confirm_write(state: State, spec: EngineSpec, before: int, after: int, at: float) -> State:
    """Return the state after the target's count was really written: rate limits count this, never intentions."""
    return record_change(state, spec, after - before, at)._replace(last_replicas=after)


def record_change(state: State, spec: EngineSpec, change: int, at: float) -> State:
    """Return the state with one more scale event; `change` is signed."""
    if change > 0:
        period = longest_period(spec.scale_up)
        return state._replace(scale_ups=store_event(state.scale_ups, change, period, at))
    if change < 0:
        period = longest_period(spec.scale_down)
        return state._replace(scale_downs=store_event(state.scale_downs, -change, period, at))
    return state


def forget_history(state: State) -> State:
    """Return the state as after a restart: nothing is lowered, and nothing is idle, until the windows fill again.

    For a clock that stepped, or a pause so long that the history says nothing any more.
    """
    return state._replace(recommendations=(), evidence=Evidence(), last_at=None)


def state_to_json(state: State) -> dict[str, Any]:
    """Return the state as plain JSON values."""
    fields = state._asdict()
    fields["evidence"] = list(state.evidence)
    fields["memories"] = {name: dict(memory) for name, memory in state.memories.items()}
    for name in ("recommendations", "scale_ups", "scale_downs"):
        fields[name] = [list(entry) for entry in fields[name]]
    for name in ("startups_seconds", "ready_names"):
        fields[name] = list(fields[name])
    return fields


def state_from_json(fields: Mapping[str, Any]) -> State:
    """Return the state that `state_to_json` wrote.

    Raises:
        TypeError: a field is unknown or of the wrong shape.
    """
    return State(
        **{
            **fields,
            "evidence": Evidence(*fields["evidence"]),
            "recommendations": tuple(Recommendation(*entry) for entry in fields["recommendations"]),
            "scale_ups": tuple(ScaleEvent(*entry) for entry in fields["scale_ups"]),
            "scale_downs": tuple(ScaleEvent(*entry) for entry in fields["scale_downs"]),
            "startups_seconds": tuple(fields["startups_seconds"]),
            "ready_names": tuple(fields["ready_names"]),
        }
    )
