"""From documents to decisions: the compiled spec in the engine that runs it."""

from __future__ import annotations

import json

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.engine import Engine, Observation, Quality, Replica, Signal, State
from autoscaler.engine.state import state_from_json, state_to_json
from tests.documents.texts import AUTOSCALER, POLICY

NOW = 1_700_000_000.0


def observe(spec, count, now, **values) -> Observation:
    """Return `count` ready replicas, and the signals that the target asks for."""
    replicas = tuple(Replica(f"pod-{n}", "Running", True, NOW - 900, NOW - 800) for n in range(count))
    signals = {}
    for request in spec.requests:
        value = values.get(request.name, 0.0)
        unknown = isinstance(value, Quality)
        signals[request.key] = Signal(
            request.key, None if unknown else value, "", now, value if unknown else Quality.OK, count, 0, 100.0
        )
    return Observation(spec.key, count, replicas, signals)


def test_pending_requests_size_the_target(file):
    """103 pending at 24 per replica are 5 replicas, and the decision says so."""
    (target,) = compile_all(load([file(f"{AUTOSCALER}---\n{POLICY}")]))
    decision, _ = Engine(target.spec).decide(observe(target, 2, NOW, pendingRequests=103.0), State(), NOW)
    assert (decision.current, decision.replicas) == (2, 5)
    assert "pendingRequests: demand 4.29167: 103 pendingRequests / 24 per replica = 4.29" in decision.explain()


def test_a_breach_steps_up_and_its_memory_survives_json(file):
    """P99 over its objective with a queue: one more replica, remembered through a restart."""
    (target,) = compile_all(load([file(f"{AUTOSCALER}---\n{POLICY}")]))
    engine, state = Engine(target.spec), State()
    breach = {"pendingRequests": 90.0, "queueDepth": 1.0, "timeToFirstToken": 5.0}
    decision, state = engine.decide(observe(target, 4, NOW, **breach), state, NOW)
    assert (decision.replicas, decision.reason) == (5, "Guard")
    restored = state_from_json(json.loads(json.dumps(state_to_json(state))))
    later = NOW + 15
    first, _ = engine.decide(observe(target, 4, later, **breach), state, later)
    second, _ = engine.decide(observe(target, 4, later, **breach), restored, later)
    assert first == second
    assert restored.memories["latency"]["asked_at"] == 4


def test_a_broken_sizing_signal_holds_what_a_guard_or_another_rule_would_lower(file):
    """Pending unknown, queue empty, latency fine: nothing is lowered for an hour."""
    (target,) = compile_all(load([file(f"{AUTOSCALER}---\n{POLICY}")]))
    engine, state = Engine(target.spec), State()
    for tick in range(240):
        now = NOW + 15 * tick
        seen = observe(target, 6, now, pendingRequests=Quality.STALE, timeToFirstToken=0.1)
        decision, state = engine.decide(seen, state, now)
        assert decision.replicas == 6
