"""Short ways to say what a target looks like."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.engine import (
    Engine,
    EngineSpec,
    Fleet,
    Kind,
    Memory,
    Mode,
    Observation,
    Proposal,
    Quality,
    Replica,
    Role,
    Signal,
    SignalRequest,
    State,
)
from autoscaler.engine.behavior import ScalingRules
from autoscaler.engine.spec import ScaleToZero

NOW = 1_700_000_000.0
TARGET = "inference/llama-8b"


def signal(name: str, value: float | None, quality: Quality = Quality.OK, at: float = NOW, **more) -> Signal:
    """Return a signal taken at `at`."""
    return Signal(name, value if quality in (Quality.OK, Quality.PARTIAL) else None, "requests", at, quality, **more)


def signals(at: float = NOW, **values: float | Quality) -> dict[str, Signal]:
    """Return signals by name: a number is `ok`, a Quality is a signal without a value."""
    return {
        name: signal(name, None, value, at) if isinstance(value, Quality) else signal(name, value, at=at)
        for name, value in values.items()
    }


def ready(name: str, age: float = 1000.0, startup: float = 100.0, at: float = NOW, **more) -> Replica:
    """Return a replica that has been Ready for `age - startup` seconds."""
    return Replica(name, "Running", True, at - age, at - age + startup, revision=more.pop("revision", "r1"), **more)


def starting(name: str, age: float = 10.0, at: float = NOW, **more) -> Replica:
    """Return a replica that is not Ready yet."""
    return Replica(name, more.pop("phase", "Running"), False, at - age, revision=more.pop("revision", "r1"), **more)


def observation(spec_replicas: int, replicas: tuple[Replica, ...] | None = None, **more) -> Observation:
    """Return an observation; without `replicas` all of them are ready."""
    if replicas is None:
        replicas = tuple(ready(f"pod-{number}") for number in range(spec_replicas))
    return Observation(TARGET, spec_replicas, replicas, more.pop("signals", {}), **more)


@dataclass(frozen=True)
class Demand:
    """A sizing rule: the value of `queueDepth` is the demand in replicas."""

    name: str = "demand"
    role: Role = Role.SIZE
    needs: tuple[SignalRequest, ...] = (SignalRequest("queueDepth"),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        seen = observation.signals.get("queueDepth")
        if seen is None or seen.value is None:
            return Proposal(Kind.ABSTAIN, 0, "not known", blocks_decrease=True), memory
        return Proposal(Kind.DEMAND, seen.value, "asked", blocks_decrease=seen.quality is not Quality.OK), memory


@dataclass(frozen=True)
class Says:
    """A rule that always says the same."""

    proposal: Proposal
    name: str = "says"
    role: Role = Role.GUARD
    needs: tuple[SignalRequest, ...] = ()

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        return self.proposal, {**memory, "asked": int(memory.get("asked") or 0) + 1}


def spec(*rules, bounds: tuple[int, int] = (1, 10), idle_after: float | None = None, **more) -> EngineSpec:
    """Return a spec whose down window is 0 unless one is given."""
    zero = None if idle_after is None else ScaleToZero(idle_after, target_per_replica=more.pop("held_per_replica", 1.0))
    more.setdefault("scale_down", ScalingRules(0.0, EngineSpec.__dataclass_fields__["scale_down"].default.policies))
    more.setdefault("mode", Mode.ACTIVE)
    return EngineSpec(*bounds, rules or (Demand(),), more.pop("fingerprint", "f"), scale_to_zero=zero, **more)


def seen_before(replicas: int, at: float = NOW, **more) -> State:
    """Return the state of a target that has been decided on one interval ago."""
    return State(fingerprint="f", last_at=at - 15, last_replicas=replicas, **more)


def decide(given_spec: EngineSpec, given: Observation, state: State | None = None, now: float = NOW):
    """Return the engine's decision and state."""
    return Engine(given_spec).decide(given, seen_before(given.spec_replicas) if state is None else state, now)
