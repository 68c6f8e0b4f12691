"""Bringing the state up to date with what happened to the target since the last decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.behavior import Recommendation
from autoscaler.engine.fleet import startup_of
from autoscaler.engine.proposal import Notice
from autoscaler.engine.spec import Mode, OnForeignChange
from autoscaler.engine.state import Evidence, State, record_change

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.spec import EngineSpec

GAP_INTERVALS = 3
"""A pause of more intervals than this is a restart: what happened meanwhile is not known."""
STARTUPS_KEPT = 8


class Adopted(NamedTuple):
    """The state as of now, and what was found out on the way."""

    state: State
    why: str
    """How far the history reaches."""
    notices: tuple[Notice, ...] = ()


def adopt(state: State, observation: Observation, spec: EngineSpec, now: float) -> Adopted:
    """Return the state with restarts, edited rules and changes by others taken in.

    Each of them seeds the history of recommendations with the present count, as an HPA without history does:
    nothing is lowered before a whole window has been seen.
    """
    current = observation.spec_replicas
    state = learn_startups(state, observation)
    seeded = (Recommendation(now, current),)
    if state.last_at is None:
        return Adopted(
            state._replace(recommendations=seeded, last_replicas=current), f"no history: seeded with {current}"
        )
    if now - state.last_at > GAP_INTERVALS * spec.interval_seconds:
        why = f"no decision for {now - state.last_at:.0f} s: history seeded with {current}"
        state = state._replace(recommendations=seeded, evidence=Evidence())
    elif state.fingerprint != spec.fingerprint:
        why = f"the documents changed: history seeded with {current}"
        state = state._replace(recommendations=seeded)
    else:
        why = f"{len(state.recommendations)} recommendations kept"
    if state.last_replicas == current:
        return Adopted(state, why)
    return _adopt_change(state, observation, spec, now)


def _adopt_change(state: State, observation: Observation, spec: EngineSpec, now: float) -> Adopted:
    current = observation.spec_replicas
    before = current if state.last_replicas is None else state.last_replicas
    changed = record_change(state, spec, current - before, now)._replace(last_replicas=current)
    seeded = (Recommendation(now, current),)
    if spec.mode is not Mode.ACTIVE:
        # somebody else is expected to write, and the windows run on as if we had; a sleeper has none to run on
        changed = changed._replace(recommendations=changed.recommendations or seeded)
        return Adopted(changed, f"{before} -> {current} by the present owner")
    changed = changed._replace(recommendations=seeded)
    if spec.on_foreign_change is OnForeignChange.HOLD:
        changed = changed._replace(hold_until=now + spec.foreign_hold_seconds)
    others = f" (also writing: {', '.join(observation.other_writers)})" if observation.other_writers else ""
    message = f"somebody else changed the count from {before} to {current}{others}"
    return Adopted(changed, f"{message}: history seeded with {current}", (Notice("ForeignChange", message),))


def learn_startups(state: State, observation: Observation) -> State:
    """Return the state with the start-up times of the replicas that became Ready since the last decision."""
    names = tuple([replica.name for replica in observation.replicas if replica.ready])
    if names == state.ready_names:
        return state
    known = set(state.ready_names)
    seen = [startup_of(replica) for replica in observation.replicas if replica.ready and replica.name not in known]
    learned = (*state.startups_seconds, *(seconds for seconds in seen if seconds is not None))
    return state._replace(ready_names=names, startups_seconds=learned[-STARTUPS_KEPT:])
