"""From the rules' proposals to one wanted count: the max of counts and floors, then vetoes and ceilings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast

from autoscaler.engine.decision import Reason
from autoscaler.engine.proposal import Kind, Role, Said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Adviser, Memory, Notice, Proposal, Rule
    from autoscaler.engine.spec import EngineSpec

_ROUNDING = 1e-9
"""What floating point may add to a whole demand: 0.1 * 3 / 0.1 needs 3 replicas, not 4."""


class Asked(NamedTuple):
    """What the rules said, sorted by what it may do."""

    proposals: tuple[tuple[str, Proposal], ...]
    memories: Mapping[str, Memory]
    counts: tuple[Said, ...]
    """The proposals of kind `demand` and `count`."""
    floor: int
    """The highest floor, 0 without one."""
    ceiling: int | None
    """The lowest ceiling."""
    vetoes: tuple[str, ...]
    """As `name: reason`."""
    blocked: tuple[str, ...]
    """Sizing rules that do not know enough to lower anything."""
    unsized: bool
    """There are sizing rules, and none of them knows anything."""
    notices: tuple[Notice, ...]
    bounds: tuple[tuple[str, Proposal], ...] = ()
    """The proposals of kind `bounds`, by rule."""


def ask(
    rules: tuple[Rule, ...], observation: Observation, fleet: Fleet, memories: Mapping[str, Memory], now: float
) -> Asked:
    """Return every rule's proposal, and the memories to hand in next time."""
    answers: list[Said] = []
    advisers: list[Adviser] = []
    remembered = {}
    for rule in rules:
        name, role = rule.name, rule.role
        if role is Role.ADVISE:
            advisers.append(cast("Adviser", rule))
            continue
        proposal, memory = rule.propose(observation, fleet, memories.get(name, {}), now)
        answers.append(Said(name, role, proposal))
        if memory:
            remembered[name] = memory
    if advisers:
        heard = tuple(answers)
        for adviser in advisers:
            name = adviser.name
            proposal, memory = adviser.advise(observation, fleet, heard, memories.get(name, {}), now)
            answers.append(Said(name, Role.ADVISE, proposal))
            if memory:
                remembered[name] = memory
    return _sort(answers, remembered)


def _sort(answers: list[Said], memories: Mapping[str, Memory]) -> Asked:
    counts: list[Said] = []
    limits: list[Proposal] = []
    vetoes: list[str] = []
    notices: list[Notice] = []
    blocked: list[str] = []
    bounds: tuple[tuple[str, Proposal], ...] = ()
    sizing = knowing = 0
    for answer in answers:
        name, role, (kind, _, reason, blocks_decrease, said, *_) = answer
        if role is Role.SIZE:
            sizing += 1
            knowing += kind is not Kind.ABSTAIN
            if blocks_decrease:
                blocked.append(name)
        if kind is Kind.DEMAND or kind is Kind.COUNT:
            counts.append(answer)
        elif kind is Kind.VETO:
            vetoes.append(f"{name}: {reason}")
        elif kind is Kind.BOUNDS:
            bounds = (*bounds, (name, answer[2]))
        elif kind is not Kind.ABSTAIN:
            limits.append(answer[2])
        notices += said
    floors, ceilings = _limits(limits) if limits else (0, None)
    proposals = tuple([(name, proposal) for name, _, proposal in answers])
    unsized = sizing > 0 and knowing == 0
    return Asked(
        proposals,
        memories,
        tuple(counts),
        floors,
        ceilings,
        tuple(vetoes),
        tuple(blocked),
        unsized,
        tuple(notices),
        bounds,
    )


def _limits(proposals: list[Proposal]) -> tuple[int, int | None]:
    """Return the highest floor and the lowest ceiling."""
    floors = [int(proposal.replicas) for proposal in proposals if proposal.kind is Kind.FLOOR]
    ceilings = [int(proposal.replicas) for proposal in proposals if proposal.kind is Kind.CEILING]
    return max(floors, default=0), min(ceilings, default=None)


class Wanted(NamedTuple):
    """A count on its way through the stages."""

    replicas: int
    reason: Reason
    why: str


def round_demand(demand: float, current: int, tolerances: tuple[float, float]) -> int:
    """Return the whole replicas for `demand`: the present count within the (up, down) tolerances, else the ceiling.

    Worked: at 4 replicas and 10 %, a demand of 4.4 keeps 4 and one of 4.41 asks for 5. As upstream's HPA, the
    tolerance is inclusive, and there is none at zero replicas.
    """
    up, down = tolerances
    if current > 0 and 1.0 - down <= demand / current <= 1.0 + up:
        return current
    return math.ceil(demand - _ROUNDING)


def size(asked: Asked, current: int, fleet: Fleet, spec: EngineSpec) -> Wanted:
    """Return the highest count that any rule asks for; the present one where none has an opinion."""
    tolerances = (spec.scale_up.tolerance, spec.scale_down.tolerance)
    best, winner, winning_role = -1, "", Role.SIZE
    for name, role, proposal in asked.counts:
        if proposal.kind is Kind.DEMAND:
            count = round_demand(proposal.replicas, current, tolerances)
        else:
            count = int(proposal.replicas)
        if role is Role.GUARD and count <= current:
            continue
        if count > best:
            best, winner, winning_role = count, name, role
    if best < 0:
        if asked.blocked:
            return Wanted(current, Reason.SIGNAL_NOT_OK, f"{', '.join(asked.blocked)} not ok: hold")
        return Wanted(current, Reason.NO_OPINION, "no rule has an opinion: hold")
    if best < current and asked.blocked:
        why = f"{winner} asks for {best}, but {', '.join(asked.blocked)} not ok: nothing is lowered"
        return Wanted(current, Reason.SIGNAL_NOT_OK, why)
    if best < current and not fleet.known:
        return Wanted(current, Reason.SIGNAL_NOT_OK, f"{winner} asks for {best}, but the pods are not known")
    reason = Reason.GUARD if winning_role is Role.GUARD else Reason.DEMAND
    return Wanted(best, reason, f"{winner} asks for {best}")


def raise_to_floors(wanted: int, asked: Asked, fallback_floor: int) -> Wanted | None:
    """Return the count raised to the highest floor; None where no floor binds."""
    if fallback_floor > max(wanted, asked.floor):
        return Wanted(fallback_floor, Reason.FALLBACK, f"no sizing signal is known: at least {fallback_floor}")
    if asked.floor > wanted:
        return Wanted(asked.floor, Reason.FLOOR, f"a rule's floor: at least {asked.floor}")
    return None


def veto(wanted: int, current: int, asked: Asked, fleet: Fleet) -> Wanted | None:
    """Return the present count where a step down is forbidden; None where it is not."""
    if wanted >= current:
        return None
    if fleet.rollout:
        return Wanted(current, Reason.ROLLOUT, "a rolling update is under way: nothing is lowered")
    if asked.vetoes:
        return Wanted(current, Reason.VETO, "; ".join(asked.vetoes))
    return None
