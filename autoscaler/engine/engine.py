"""The native engine: one pure function from what is seen and remembered to a decision with its trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.bounds import Bounds, narrowed
from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import classify, learned_startup
from autoscaler.engine.history import adopt
from autoscaler.engine.idle import stalled_notice, watch
from autoscaler.engine.observation import GATEWAY_REQUESTS, Quality
from autoscaler.engine.proposal import Kind, Proposal, Role, Said
from autoscaler.engine.sizing import Asked, ask
from autoscaler.engine.spec import EngineSpec, Mode
from autoscaler.engine.stages import Outcome, Proof, asleep, awake, hold
from autoscaler.engine.state import State

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation


class Engine:
    """Decides for one target; holds nothing but its frozen spec."""

    __slots__ = ("_bounds", "spec")

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self._bounds = Bounds(spec.min_replicas, spec.max_replicas)

    def decide(self, observation: Observation, state: State, now: float) -> tuple[Decision, State]:
        """Return the decision for `now` (UTC epoch seconds) and the state to hand in next time."""
        spec = self.spec
        adopted = adopt(state, observation, spec, now)
        state = adopted.state
        startup_seconds = learned_startup(state.startups_seconds, spec.startup)
        fleet = classify(observation, startup_seconds, spec.startup, now, state.asked_replicas)
        asked = ask(spec.rules, observation, fleet, state.memories, now)
        asked = _with_held_requests(asked, observation, fleet, spec)
        evidence, idle_why = watch(observation.signals, fleet, state.evidence, spec, now)
        unsized_since = (now if state.unsized_since is None else state.unsized_since) if asked.unsized else None
        proof = Proof(evidence, idle_why, unsized_since)
        current = observation.spec_replicas
        bounds = narrowed(self._bounds, asked.bounds, current) if asked.bounds else self._bounds
        outcome = self._outcome(observation, fleet, asked, state, proof, bounds, now)
        decision = Decision(
            observation.target,
            now,
            current,
            outcome.replicas,
            outcome.reason,
            (Stage("history", current, current, adopted.why), *bounds.stages, *outcome.trail),
            asked.proposals,
            fleet,
            (*adopted.notices, *asked.notices, *outcome.notices, *stalled_notice(evidence, now)),
        )
        return decision, State(
            spec.fingerprint,
            now,
            current,
            outcome.recommendations,
            state.scale_ups,
            state.scale_downs,
            evidence,
            outcome.blind_since,
            unsized_since,
            state.startups_seconds,
            state.ready_names,
            outcome.backoff.pause_seconds,
            outcome.backoff.probe_at,
            state.hold_until,
            asked.memories,
            outcome.replicas if outcome.asked_replicas is None else outcome.asked_replicas,
        )

    def _outcome(
        self,
        observation: Observation,
        fleet: Fleet,
        asked: Asked,
        state: State,
        proof: Proof,
        bounds: Bounds,
        now: float,
    ) -> Outcome:
        spec, current = self.spec, observation.spec_replicas
        if spec.mode is Mode.PAUSED:
            return hold(current, Reason.PAUSED, "the target is paused", state, now)
        if current == 0:
            return asleep(observation, asked, state, spec, bounds, now)
        if now < state.hold_until:
            why = f"somebody else changed the count: left alone for {state.hold_until - now:.0f} s"
            return hold(current, Reason.FOREIGN_HOLD, why, state, now)
        return awake(observation, fleet, asked, state, spec, proof, bounds, now)


def _with_held_requests(asked: Asked, observation: Observation, fleet: Fleet, spec: EngineSpec) -> Asked:
    """While no replica is ready, what the gateway holds is demand: nobody else can see it."""
    zero, gateway = spec.scale_to_zero, observation.signals.get(GATEWAY_REQUESTS)
    if zero is None or fleet.ready or gateway is None or gateway.quality is not Quality.OK or not gateway.value:
        return asked
    reason = f"{gateway.value:g} held / {zero.target_per_replica:g} per replica"
    proposal = Proposal(Kind.DEMAND, gateway.value / zero.target_per_replica, reason)
    return asked._replace(
        proposals=(*asked.proposals, (GATEWAY_REQUESTS, proposal)),
        counts=(*asked.counts, Said(GATEWAY_REQUESTS, Role.SIZE, proposal)),
    )
