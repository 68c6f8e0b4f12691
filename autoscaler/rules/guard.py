"""What guards have in common: a step up on a breach, one at a time, and no step down near the limit.

A step is +max(1, 10 %) of the ready replicas, and needs a second sign of load: one bad pod, or a GPU that is busy with
three requests, asks for nothing. After a step, and after any other rise, a guard waits until all replicas are Ready
and one rate window has passed, for before that it would look at the past. A step counts when the target's count was
seen to rise, not when it was asked for: a dry run goes on asking. After two steps without 10 % gain it stops, and says
so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import PENDING_REQUESTS, QUEUE_DEPTH, Quality
from autoscaler.engine.proposal import Kind, Notice, Proposal, abstain
from autoscaler.rules.base import Count, NotNegative, Percent, Positive, RuleModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Signal
    from autoscaler.engine.proposal import Memory
    from autoscaler.rules.base import PolicyContext

GAVE_UP = "GuardGaveUp"
"""Event: two steps changed nothing, so replicas are not what is missing."""
BREACH_AT_MAX = "GuardBreachAtMax"
"""Event: the limit is broken and no more replicas are allowed."""
_GAIN = 0.9
_FRUITLESS_STEPS = 2
_BELIEVED = (Quality.OK, Quality.PARTIAL)


class Reading(NamedTuple):
    """One guard's measurement, against its limit."""

    value: float
    limit: float
    near: float
    """From here on nothing is lowered."""
    text: str
    """With the numbers: `timeToFirstToken:0.99 2.4 s, objective 2 s`."""


class Steps(NamedTuple):
    """What a guard remembers: the count it saw, and the step it is waiting for."""

    spec: int = -1
    """The target's count at the last look; -1 before the first."""
    settled_at: float | None = None
    """When all replicas of that count were first seen Ready, in UTC epoch seconds; None while they are not."""
    asked_at: int = 0
    """The count from which a step was asked for; 0 when none was."""
    before: float = 0.0
    """The value when it was asked for."""
    fruitless: int = 0
    """Steps in a row without gain."""
    at_max: bool = False
    """People were told that the limit is broken at the maximum."""


_FRESH = Steps()


class GuardModel(RuleModel):
    """The base of the guards, with the parameters of a step."""

    step_percent: Percent = 10.0
    """A step up, in percent of the ready replicas, rounded up and at least 1: a guard corrects, it does not size."""
    rate_window_seconds: NotNegative = 120.0
    """How much of the past the signal looks at: no step before that much time has passed with all replicas Ready."""
    pending_target_per_replica: Positive | None = None
    """Half of this many requests in flight per replica is a sign of load. Default: that of the `pendingRequests`
    rule."""
    max_replicas: Count | None = None
    """The guard asks for no more than this. Default: the target's `maxReplicas`."""

    def bind(self, context: PolicyContext) -> Self:
        """Return the guard with the pending target of the policy, and the maximum of the target where it is lower."""
        own = self.max_replicas
        update: dict[str, Any] = {
            "max_replicas": context.max_replicas if own is None else min(own, context.max_replicas)
        }
        if self.pending_target_per_replica is None:
            update["pending_target_per_replica"] = context.pending_target_per_replica
        return self.model_copy(update=update)

    def _guard(
        self, reading: Reading, signals: Mapping[str, Signal], fleet: Fleet, memory: Memory, now: float
    ) -> tuple[Proposal, Memory]:
        """Return what the reading asks for, and the memory: a step, a veto, or no opinion."""
        old = recall(memory)
        steps = _watch(old, fleet, now)
        if reading.value > reading.limit:
            sign = sign_of_load(signals, fleet, self.pending_target_per_replica)
            proposal, steps = self._breach(reading, sign, fleet, steps, now)
        elif reading.value >= reading.near:
            proposal = _hold(f"{reading.text}: near it, nothing is lowered")
        else:
            proposal, steps = abstain(f"{reading.text}: well within"), _over(steps)
        return proposal, memory if steps == old else steps._asdict()

    def _breach(self, reading: Reading, sign: str, fleet: Fleet, steps: Steps, now: float) -> tuple[Proposal, Steps]:
        """Return the step that a broken limit asks for, or a veto that says why there is none."""
        text, spec, most = reading.text, fleet.spec_replicas, self.max_replicas
        if steps.settled_at is None:
            return _hold(f"{text}: waiting until all {spec} replicas are Ready"), steps
        if now - steps.settled_at < self.rate_window_seconds:
            return _hold(f"{text}: the last {self.rate_window_seconds:g} s still show the time before"), steps
        if most is not None and spec >= most:
            message = f"{text}, and {spec} replicas are the maximum"
            once = () if steps.at_max else (Notice(BREACH_AT_MAX, message),)
            return _hold(message, once), steps._replace(at_max=True)
        steps, notices = _judge(steps, reading, spec)
        ready = min(fleet.ready, spec)
        count = ready + max(1, math.ceil(ready * self.step_percent / 100.0))
        count = count if most is None else min(count, most)
        why_not = ""
        if steps.fruitless >= _FRUITLESS_STEPS:
            why_not = f"{steps.fruitless} steps gained less than 10 %, no more of them"
        elif not sign:
            why_not = "no other sign of load, more replicas would not help"
        elif count <= spec:
            why_not = f"{ready} of {spec} replicas are ready, the others come first"
        if why_not:
            return _hold(f"{text}: {why_not}", notices), steps
        steps = steps._replace(asked_at=spec, before=reading.value)
        return Proposal(Kind.COUNT, count, f"{text}, {sign}: {ready} ready + {count - ready}", notices=notices), steps

    def _quiet(self, memory: Memory, reason: str) -> tuple[Proposal, Memory]:
        """Return no opinion, for there is no traffic: whatever was wrong before is over."""
        old = recall(memory)
        steps = _over(old)
        return abstain(reason), memory if steps == old else steps._asdict()


def recall(memory: Memory) -> Steps:
    """Return the steps in a memory; a memory that another kind of rule left under this name is as good as none."""
    if not memory:
        return _FRESH
    try:
        return Steps(**memory)  # type: ignore[arg-type]
    except TypeError:
        return _FRESH


def _hold(reason: str, notices: tuple[Notice, ...] = ()) -> Proposal:
    return Proposal(Kind.VETO, 0, reason, notices=notices)


def _watch(steps: Steps, fleet: Fleet, now: float) -> Steps:
    """Return the steps after a look at the fleet: a risen count starts the wait, its replicas being Ready ends it."""
    spec = fleet.spec_replicas
    accounted = fleet.ready >= spec or (fleet.starting == 0 and fleet.ready + fleet.stuck >= spec)
    if steps.spec < 0:
        return steps._replace(spec=spec, settled_at=fleet.newest_ready_at if accounted else None)
    if spec > steps.spec:
        steps = steps._replace(spec=spec, settled_at=None)
    elif spec < steps.spec:
        steps = steps._replace(spec=spec, asked_at=0, before=0.0)
    if steps.settled_at is None and accounted:
        return steps._replace(settled_at=now)
    return steps


def _judge(steps: Steps, reading: Reading, spec: int) -> tuple[Steps, tuple[Notice, ...]]:
    """Return the steps after judging the one that has taken effect, if one has."""
    if not steps.asked_at or spec <= steps.asked_at:
        return steps, ()
    fruitless = 0 if reading.value <= _GAIN * steps.before else steps.fruitless + 1
    steps = steps._replace(asked_at=0, before=0.0, fruitless=fruitless)
    if fruitless != _FRUITLESS_STEPS:
        return steps, ()
    message = f"{reading.text}: two steps up to {spec} replicas gained less than 10 %, so no more are taken"
    return steps, (Notice(GAVE_UP, message),)


def _over(steps: Steps) -> Steps:
    """Return the steps after a breach: the next one is judged afresh."""
    if not (steps.asked_at or steps.fruitless or steps.at_max):
        return steps
    return Steps(steps.spec, steps.settled_at)


def sign_of_load(signals: Mapping[str, Signal], fleet: Fleet, pending_target: float | None) -> str:
    """Return a sign that the replicas have enough to do, for a person; empty without one.

    A queue, or at least half the pending target per ready replica. A partial sum is a sign: it can only be too low.
    """
    queue = signals.get(QUEUE_DEPTH)
    if queue is not None and queue.value and queue.quality in _BELIEVED:
        return f"{queue.value:g} waiting"
    pending = signals.get(PENDING_REQUESTS)
    if pending is None or pending_target is None or not fleet.ready or pending.quality not in _BELIEVED:
        return ""
    if pending.value is not None and pending.value * 2.0 >= pending_target * fleet.ready:
        return f"{pending.value:g} pending on {fleet.ready} replicas"
    return ""
