"""Short ways to say what a rule sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.fleet import Fleet
from autoscaler.engine.observation import Observation, Quality, Signal

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory, Proposal, Rule

NOW = 1_700_000_000.0


def fleet(ready: int, spec: int | None = None, **more) -> Fleet:
    """Return a fleet whose replicas have been Ready for an hour; `spec` is `ready` unless given."""
    facts = {
        "starting": 0,
        "unschedulable": 0,
        "crashing": 0,
        "slow": 0,
        "terminating": 0,
        "rollout": False,
        "startup_seconds": 80.0,
        "newest_ready_at": NOW - 3600.0 if ready else 0.0,
        "known": True,
        **more,
    }
    return Fleet(ready=ready, spec_replicas=ready if spec is None else spec, **facts)


def signal(key: str, value: float | Quality, quality: Quality = Quality.OK, **more) -> Signal:
    """Return a signal; a Quality as its value is a signal without one."""
    if isinstance(value, Quality):
        return Signal(key, None, "", 0.0, value, detail=more.pop("detail", ""))
    return Signal(key, value, "", NOW, quality, **{"pods": 1, **more})


def observation(*signals: Signal, spec: int = 1) -> Observation:
    """Return an observation of these signals."""
    return Observation("inference/llama-8b", spec, (), {one.name: one for one in signals})


def ask(rule: Rule, *signals: Signal, of: Fleet, memory: Memory | None = None, now: float = NOW):
    """Return what the rule proposes, and its memory."""
    return rule.propose(observation(*signals, spec=of.spec_replicas), of, memory or {}, now)


def answer(rule: Rule, *signals: Signal, of: Fleet, now: float = NOW) -> Proposal:
    """Return what the rule proposes at first sight."""
    return ask(rule, *signals, of=of, now=now)[0]
