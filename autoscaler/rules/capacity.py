"""Size by what one replica can sustain within the objective, one cold start ahead."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from autoscaler.engine.observation import PENDING_REQUESTS, SignalRequest
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules import arrivals, misses
from autoscaler.rules.base import Name, NotNegative, PolicyContext, Positive, RuleModel, size
from autoscaler.rules.correction import recall_correction, store_correction
from autoscaler.rules.hold import hold
from autoscaler.rules.iteration import Iteration  # noqa: TC001 - pydantic reads it
from autoscaler.rules.outlook import look_ahead
from autoscaler.rules.pace import observe
from autoscaler.rules.replica_presets import PRESETS
from autoscaler.rules.seen import Seen
from autoscaler.rules.usable import replica_of
from autoscaler.rules.whole import SHORTEST_HOLD_SECONDS, SLACK_REPLICAS, Replicas
from autoscaler.rules.work import Coefficients, number, recall_lengths, store_lengths

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory
    from autoscaler.rules.outlook import Outlook
    from autoscaler.rules.work import Lengths

_BATCH_REQUESTS = 256.0
"""What vLLM and the simulator let into a batch."""
_TOO_FEW = "too few requests seen to know their work"
_USUAL_TTFT_SECONDS, _USUAL_TPOT_SECONDS = 2.0, 0.05


class Capacity(RuleModel):
    """As many replicas as the demand expected one cold start ahead fills to the share that the objective allows."""

    type: Literal["capacity"] = "capacity"
    name: Name = "capacity"
    preset: str | None = None
    """GPU and model whose iteration times to size by, as `h100-llama-3.1-8b`. Left out, the target's own `replica`;
    where that says nothing either, it sizes by `pendingTargetPerReplica`."""
    iteration: Iteration | None = None
    """Iteration times of your own, in place of a preset. How slow replicas really are against these times is learned
    from the pace of their tokens, so a wrong preset costs an hour, not a fleet."""
    ttft_seconds: Positive | None = None
    """The time to first token that requests should not exceed. Left out, the target's objective, or 2 s."""
    tpot_seconds: Positive | None = None
    """The time per output token that requests should not exceed: it decides how full a replica may be. Left out, the
    target's objective, or 0.05 s."""
    usable_percent: Annotated[float, Field(strict=True, gt=0, le=100)] | None = None
    """How full a replica may be; left out, what iteration times, tpotSeconds and the observed lengths leave, as far as
    misses do not correct it."""
    spare_replicas: NotNegative = 0.0
    """Warm replicas on top, for bursts that no start is fast enough for."""
    alone_up_to_percent: Annotated[float, Field(strict=True, ge=0, le=100)] = 33.0
    """A single replica may be alone while demand fills no more than this share of it. Three thirds are a full one:
    a crowd that comes within a minute is shared by two, but swamps one. 100 leaves it alone whatever comes."""
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
        """Return the rule with what its neighbour, the target's replica and the target's objective say."""
        found: dict[str, object] = {
            "pending_target_per_replica": self.pending_target_per_replica or context.pending_target_per_replica or 24.0,
            "ttft_seconds": self.ttft_seconds or context.ttft_seconds or _USUAL_TTFT_SECONDS,
            "tpot_seconds": self.tpot_seconds or context.tpot_seconds or _USUAL_TPOT_SECONDS,
        }
        if self.preset is None and self.iteration is None:
            found["iteration"] = context.iteration
            found["preset"] = context.preset if context.iteration is None and context.preset in PRESETS else None
        bound = self.model_copy(update=found)
        for worked_out in ("_objective", "_coefficients", "_pending_target"):
            bound.__dict__.pop(worked_out, None)  # of the old parameters
        return bound

    @cached_property
    def needs(self) -> tuple[SignalRequest, ...]:
        """Counters, queue and requests in flight, and the quantiles that tell how many requests were late."""
        return (*arrivals.NEEDS, *misses.NEEDS)

    @cached_property
    def _objective(self) -> tuple[float, float]:
        return self.ttft_seconds or _USUAL_TTFT_SECONDS, self.tpot_seconds or _USUAL_TPOT_SECONDS

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

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return the count that is needed one cold start ahead, held for one cold start."""
        if self._coefficients is None:
            return self._held_by_pending(observation, fleet, memory, now)
        reading = arrivals.read(observation.signals)
        if isinstance(reading, str):
            proposal = size(observation.signals, PENDING_REQUESTS, self._pending_target)
            # not knowing the work of a request is no reason to let requests wait
            return proposal._replace(reason=f"{reading}; {proposal.reason}", blocks_decrease=True), memory
        anew = arrivals.began_anew(memory, reading)
        bin_ = None if anew else arrivals.since(memory, reading)
        if bin_ is None:
            changed = arrivals.store_reading(reading) if anew or not memory else {}
            return self._last(memory, reading, fleet), {**memory, **changed}
        lengths = recall_lengths(memory).learn(bin_.started, bin_.prompt_tokens, bin_.output_tokens, bin_.seconds)
        memory = {**memory, **arrivals.store_reading(reading), **store_lengths(lengths)}
        if not lengths.warm:
            return self._by_pending(reading), memory
        slowness, changed_pace = observe(memory, bin_, fleet, self._coefficients, lengths)
        most_running = self._most_running(lengths)
        replica = replica_of(self._coefficients, lengths, slowness, self._objective[1], most_running)
        stay = misses.recall_stay(memory).learn(bin_, replica.work_seconds, fleet.ready)
        late = misses.late_share(observation.signals, self._objective[0])
        slow = misses.slow_share(stay, bin_, reading.running, fleet.ready, replica)
        seen = Seen(reading, bin_, replica, slowness, max(late, slow) * bin_.arrived)
        return self._sized({**memory, **changed_pace, **misses.store_stay(stay)}, seen, fleet, now)

    def _sized(self, memory: Memory, seen: Seen, fleet: Fleet, now: float) -> tuple[Proposal, Memory]:
        """Return the count for what is known of the load and of the replica."""
        horizon_seconds = fleet.startup_seconds + arrivals.BIN_SECONDS + max(0.0, now - seen.reading.at)
        outlook, changed_outlook = look_ahead(memory, seen.load, horizon_seconds)
        usable, changed_usable = self._usable(memory, seen, outlook, horizon_seconds, fleet.ready)
        replicas = Replicas(usable, self.spare_replicas, self.alone_up_to_percent / 100.0, fleet.startup_seconds)
        count, held, changed_holds = replicas.held(memory, outlook, now)
        reason = seen.reason(outlook, usable, horizon_seconds)
        reason += f" = {count}" + (f", held at {held}" if held > count else "")
        if not outlook.settled:
            reason += ", less than seven minutes seen: nothing is lowered"
        changed = {**changed_outlook, **changed_usable, **changed_holds, "count": held, "reason": reason}
        blocks = seen.reading.partial or not outlook.settled
        proposal = Proposal(Kind.COUNT, held, reason, blocks_decrease=blocks, figures=seen.figures(usable))
        return proposal, {**memory, **changed}

    def _most_running(self, lengths: Lengths) -> float:
        """Return how many requests of the mean length a replica holds at once, as far as its preset tells."""
        if self.preset is None or self.iteration is not None:
            return math.inf
        tokens = (lengths.prompt_tokens + lengths.output_tokens) / lengths.requests
        return min(_BATCH_REQUESTS, PRESETS[self.preset].kv_tokens / max(1.0, tokens))

    def _usable(
        self, memory: Memory, seen: Seen, outlook: Outlook, horizon_seconds: float, ready: int
    ) -> tuple[float, dict[str, float | str]]:
        """Return how full a replica may be, as stated or as misses corrected it, and the memory entries that change."""
        if self.usable_percent is not None:
            return self.usable_percent / 100.0, {}
        worked_out = seen.replica.usable_for(outlook.need)
        known = recall_correction(memory)
        if outlook.usual > 0.0:
            fill = seen.demand / ready if ready else math.inf
            sized_by = number(memory, "usable", worked_out)
            requests, missed = seen.bin_.arrived / outlook.usual, seen.missed / outlook.usual
            known = known.learn(fill, sized_by, requests, missed, horizon_seconds)
        usable = worked_out * known.factor
        return usable, {**store_correction(known), "usable": usable}

    def _last(self, memory: Memory, reading: arrivals.Reading, fleet: Fleet) -> Proposal:
        """Return the last count again: there is no new bin."""
        count, reason = memory.get("count"), memory.get("reason")
        if isinstance(count, int) and isinstance(reason, str):
            return Proposal(Kind.COUNT, count, reason, blocks_decrease=True)
        proposal = self._by_pending(reading)
        if memory or not fleet.ready:
            return proposal
        count = min(math.ceil(proposal.replicas), fleet.spec_replicas)
        reason = f"a first look, what comes is known in 15 s: {reading.pending:g} pending / {self._pending_target:g}"
        return Proposal(Kind.COUNT, count, f"{reason} = {proposal.replicas:.3g}", blocks_decrease=True)

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
        count = math.ceil(proposal.replicas - SLACK_REPLICAS)
        held, changed = hold(memory, count, max(SHORTEST_HOLD_SECONDS, fleet.startup_seconds), now)
        reason = f"neither preset nor iteration is given: {proposal.reason}"
        reason += f", held at {held}" if held > count else ""
        return proposal._replace(kind=Kind.COUNT, replicas=held, reason=reason), {**memory, **changed}
