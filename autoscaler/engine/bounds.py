"""The bounds that hold now: those of the document, narrowed by what a schedule says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.decision import Stage

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Proposal


class Bounds(NamedTuple):
    """The least and the most replicas, and the line of the trail that says why."""

    least: int
    most: int
    stages: tuple[Stage, ...] = ()
    """Empty where no rule moves bounds."""


def narrowed(bounds: Bounds, asked: tuple[tuple[str, Proposal], ...], current: int) -> Bounds:
    """Return the document's bounds, intersected with each that a rule proposes, in the order of the rules.

    An intersection never leaves what it narrows: bounds that lie outside of the document's, or of those of an earlier
    rule, give the nearest end of these. A minimum above its own maximum yields to it.
    """
    least, most, _ = bounds
    whys = []
    for name, proposal in asked:
        lowest, highest = int(proposal.replicas), most if proposal.most is None else proposal.most
        most = max(min(most, highest), least)
        least = min(max(least, lowest), most)
        whys.append(f"{name}: {proposal.reason}")
    return Bounds(least, most, (Stage("schedule", current, current, f"{least} to {most}: {'; '.join(whys)}"),))
