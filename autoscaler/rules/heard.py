"""What the sizing rules tell an adviser of the load: figures where they state them, else their demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.proposal import (
    ARRIVED_REQUESTS,
    DEMAND_REPLICAS,
    MISSED_REQUESTS,
    USABLE_SHARE,
    Kind,
    Role,
)

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Said


class Load(NamedTuple):
    """One quarter of a minute, as the sizing rules see it."""

    need: float
    """Replicas that demand fills to what the objective allows."""
    arrived: float = 0.0
    missed: float = 0.0
    """Of these requests; 0 where no rule tells."""


def hear(heard: tuple[Said, ...]) -> Load | None:
    """Return the load by the greatest need that a sizing rule tells; None while none of them knows."""
    load: Load | None = None
    for _, role, proposal in heard:
        if role is not Role.SIZE:
            continue
        if proposal.figures:
            found = _by_figures(dict(proposal.figures))
        elif proposal.kind is Kind.DEMAND and not proposal.blocks_decrease:
            found = Load(proposal.replicas)
        else:
            found = None
        if found is not None and (load is None or found.need > load.need):
            load = found
    return load


def _by_figures(figures: dict[str, float]) -> Load | None:
    demand, usable = figures.get(DEMAND_REPLICAS), figures.get(USABLE_SHARE, 1.0)
    if demand is None or usable <= 0.0:
        return None
    return Load(demand / usable, figures.get(ARRIVED_REQUESTS, 0.0), figures.get(MISSED_REQUESTS, 0.0))
