"""Size by what one replica can sustain within the objective, one cold start ahead."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from autoscaler.engine.observation import PENDING_REQUESTS, SignalRequest
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules import arrivals
from autoscaler.rules.base import Name, NotNegative, Parameters, PolicyContext, Positive, RuleModel, size
from autoscaler.rules.hold import hold
from autoscaler.rules.outlook import Load, look_ahead
from autoscaler.rules.replica_presets import PRESETS
from autoscaler.rules.work import Coefficients, Lengths, recall_lengths, store_lengths, usable_share

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory

_SHORTEST_HOLD_SECONDS = 120.0
_SLACK_REPLICAS = 0.05
"""A need this little above a whole count does not ask for one more."""
_TOO_FEW = "too few requests seen to know their work"
_FEWEST_RUNNING = 8.0
"""Fewer requests in flight at the moment of a scrape say little of the pace."""
_NEAR, _SLOPE = 0.9, 2.0
"""A mean pace of 0.9 of the objective is the first sign of misses; at 1.4 of it all miss."""
_QUANTILES = (0.9, 0.97, 0.99)


class Iteration(Parameters):
    """How long an iteration of the backend takes: `t = a + b·prefill + c·batch + d·context`, in milliseconds."""

    base_ms: Positive
    prompt_token_ms: NotNegative
    sequence_ms: NotNegative
    context_token_ms: NotNegative


class Capacity(RuleModel):
    """As many replicas as the demand expected one cold start ahead fills to the share that the objective allows."""

    type: Literal["capacity"] = "capacity"
    name: Name = "capacity"
    preset: str | None = None
    """GPU and model whose iteration times to size by, as `h100-llama-3.1-8b`. Without it, and without `iteration`, it
    sizes by `pendingTargetPerReplica`, except in a simulation, which knows its replica."""
    iteration: Iteration | None = None
    """Iteration times of your own, in place of a preset."""
    ttft_seconds: Positive = 2.0
    """The time to first token that requests should not exceed."""
    tpot_seconds: Positive = 0.05
    """The time per output token that requests should not exceed: it decides how full a replica may be."""
    usable_percent: Annotated[float, Field(strict=True, gt=0, le=100)] | None = None
    """How full a replica may be; left out, what iteration times, tpotSeconds and the observed lengths leave."""
    spare_replicas: NotNegative = 0.0
    """Warm replicas on top, for bursts that no start is fast enough for."""
    pending_target_per_replica: Positive | None = None
    """Until a hundred requests were seen, and where no iteration times are known: as `pendingRequests`. Left out, that
    rule's target, or 24."""

    role: ClassVar[Role] = Role.SIZE

    @field_validator("preset")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in PRESETS:
            raise ValueError(f"must be one of {', '.join(PRESETS)}")
        return name

    def bind(self, context: PolicyContext) -> Self:
        """Return the rule with the pending target of its neighbour, and the preset of the replica it is used for."""
        found: dict[str, object] = {}
        if self.pending_target_per_replica is None:
            found["pending_target_per_replica"] = context.pending_target_per_replica or 24.0
        if self.preset is None and self.iteration is None and context.preset in PRESETS:
            found["preset"] = context.preset
        return self.model_copy(update=found)

    @cached_property
    def needs(self) -> tuple[SignalRequest, ...]:
        """Counters, queue and requests in flight, and the quantiles that tell how many requests were late."""
        return (*arrivals.NEEDS, *self._late)

    @cached_property
    def _late(self) -> tuple[SignalRequest, ...]:
        return tuple(SignalRequest("timeToFirstToken", quantile) for quantile in _QUANTILES)

    @cached_property
    def _coefficients(self) -> Coefficients | None:
        if self.iteration is not None:
            own = self.iteration
            times = (own.base_ms, own.prompt_token_ms, own.sequence_ms, own.context_token_ms)
        elif self.preset is not None:
            preset = PRESETS[self.preset]
            times = (preset.base_ms, preset.prefill_ms, preset.sequence_ms, preset.context_ms)
        else:
            return None
        return Coefficients(*(milliseconds / 1e3 for milliseconds in times))

    def _usable(self, base_seconds: float, lengths: Lengths, work_seconds: float) -> float:
        if self.usable_percent is not None:
            return self.usable_percent / 100.0
        output_tokens = lengths.output_tokens / lengths.requests
        return usable_share(base_seconds, self.tpot_seconds, output_tokens, work_seconds)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return the count that is needed one cold start ahead, held for one cold start."""
        coefficients = self._coefficients
        if coefficients is None:
            return self._held_by_pending(observation, fleet, memory, now)
        reading = arrivals.read(observation.signals)
        if isinstance(reading, str):
            proposal = size(observation.signals, PENDING_REQUESTS, self._pending_target)
            # not knowing the work of a request is no reason to let requests wait
            return proposal._replace(reason=f"{reading}; {proposal.reason}", blocks_decrease=True), memory
        lengths = recall_lengths(memory)
        bin_ = arrivals.since(memory, reading)
        if bin_ is None:
            changed = {} if memory else arrivals.store_reading(reading)
            return self._last(memory, reading), {**memory, **changed}
        lengths = lengths.learn(bin_.started, bin_.prompt_tokens, bin_.output_tokens, bin_.seconds)
        memory = {**memory, **arrivals.store_reading(reading), **store_lengths(lengths)}
        if not lengths.warm:
            return self._by_pending(reading), memory
        work_seconds = lengths.work_seconds(coefficients)
        demand = bin_.rate * work_seconds
        usable = self._usable(coefficients.base_seconds, lengths, work_seconds)
        late = max(self._late_share(observation), self._slow_share(reading, bin_)) * bin_.arrived
        horizon_seconds = fleet.startup_seconds + arrivals.BIN_SECONDS + max(0.0, now - reading.at)
        load = Load(reading.at, bin_.seconds, demand, bin_.arrived, late)
        outlook, changed_outlook = look_ahead(memory, load, horizon_seconds)
        count = max(0, math.ceil(outlook.need / usable + self.spare_replicas - _SLACK_REPLICAS))
        window_seconds = max(_SHORTEST_HOLD_SECONDS, fleet.startup_seconds)
        held, changed_hold = hold(memory, count, window_seconds, now)
        reason = (
            f"{bin_.rate:.3g} requests/s * {work_seconds * 1e3:.3g} ms = {demand:.3g} replicas full; "
            f"in {horizon_seconds:.0f} s {outlook.forecast:.3g} + {outlook.need - outlook.forecast:.3g} "
            f"/ {usable:.2f} = {count}" + (f", held at {held}" if held > count else "")
        )
        if not outlook.settled:
            reason += ", less than ten minutes seen: nothing is lowered"
        memory = {**memory, **changed_outlook, **changed_hold, "count": held, "reason": reason}
        return Proposal(Kind.COUNT, held, reason, blocks_decrease=reading.partial or not outlook.settled), memory

    def _last(self, memory: Memory, reading: arrivals.Reading) -> Proposal:
        """Return the last count again: there is no new bin."""
        count, reason = memory.get("count"), memory.get("reason")
        if isinstance(count, int) and isinstance(reason, str):
            return Proposal(Kind.COUNT, count, reason, blocks_decrease=True)
        return self._by_pending(reading)

    @cached_property
    def _pending_target(self) -> float:
        return self.pending_target_per_replica or 24.0

    def _by_pending(self, reading: arrivals.Reading) -> Proposal:
        target = self._pending_target
        demand = reading.pending / target
        reason = f"{_TOO_FEW}: {reading.pending:g} pending / {target:g} = {demand:.3g}"
        return Proposal(Kind.DEMAND, demand, reason, blocks_decrease=True)

    def _held_by_pending(
        self, observation: Observation, fleet: Fleet, memory: Memory, now: float
    ) -> tuple[Proposal, Memory]:
        """Return the count that the requests in flight ask for, held for one cold start like any other."""
        proposal = size(observation.signals, PENDING_REQUESTS, self._pending_target)
        if proposal.kind is Kind.ABSTAIN:
            return proposal, memory
        count = math.ceil(proposal.replicas - _SLACK_REPLICAS)
        held, changed = hold(memory, count, max(_SHORTEST_HOLD_SECONDS, fleet.startup_seconds), now)
        reason = f"neither preset nor iteration is given: {proposal.reason}"
        reason += f", held at {held}" if held > count else ""
        return proposal._replace(kind=Kind.COUNT, replicas=held, reason=reason), {**memory, **changed}

    def _slow_share(self, reading: arrivals.Reading, bin_: arrivals.Bin) -> float:
        """Return the share of requests that decode too slowly, as the mean pace tells.

        By Little's law a token takes running / tokens a second; where that is near the objective, some are beyond it.
        """
        running = reading.pending - reading.waiting
        if bin_.output_tokens <= 0.0 or running < _FEWEST_RUNNING:
            return 0.0
        pace_seconds = running * bin_.seconds / bin_.output_tokens
        return min(1.0, max(0.0, (pace_seconds / self.tpot_seconds - _NEAR) * _SLOPE))

    def _late_share(self, observation: Observation) -> float:
        """Return the share of requests whose first token was late, as far as three quantiles tell."""
        share, beyond = 0.0, 1.0
        for request in self._late:
            signal = observation.signals.get(request.key)
            if signal is None or signal.value is None:
                return 0.0
            quantile = request.quantile or 0.0
            if signal.value > self.ttft_seconds:
                return (1.0 - quantile + beyond) / 2.0 if beyond < 1.0 else max(share, 1.0 - quantile)
            beyond = 1.0 - quantile
        return share
