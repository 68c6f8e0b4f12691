"""What a rule says, and the protocol that every rule, built in or not, fulfils."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation, SignalRequest

Memory = Mapping[str, float | int | str | bool | None]
"""What a rule remembers between ticks: never changed in place, JSON-able, bounded; `{}` at first."""


class Role(StrEnum):
    """What a rule is for."""

    SIZE = "size"
    """Additive demand: says how many replicas the load needs. Not knowing blocks a decrease."""
    GUARD = "guard"
    """Steps up on a breach and vetoes a step down. Not knowing is no opinion."""
    ADVISE = "advise"
    """Asked last: hears what the others say, and may move bounds."""


class Kind(StrEnum):
    """The forms a proposal may take."""

    DEMAND = "demand"
    """Replicas that the load fills, unrounded: the engine applies tolerance and rounds up."""
    COUNT = "count"
    """A whole count, taken as it is."""
    FLOOR = "floor"
    CEILING = "ceiling"
    BOUNDS = "bounds"
    """Other bounds for now: at least `replicas`, at most `most`; they intersect with those of the document."""
    VETO = "veto"
    """Nothing may be lowered now."""
    ABSTAIN = "abstain"
    """No opinion."""


class Notice(NamedTuple):
    """Something to be said to people, once, as a Kubernetes Event."""

    reason: str
    """A constant in CamelCase, such as `LatencyGuardGaveUp`."""
    message: str


class Proposal(NamedTuple):
    """One rule's opinion, with its reason."""

    kind: Kind
    replicas: float
    """For `demand` any number >= 0; for `count`, `floor`, `ceiling` and `bounds` a whole one; else 0."""
    reason: str
    """With the numbers: `103 pending / 24 per replica = 4.29`."""
    blocks_decrease: bool = False
    """A sizing signal is not ok: the count may rise, never fall."""
    notices: tuple[Notice, ...] = ()
    most: int | None = None
    """For `bounds`: the maximum, None for no other than the document's."""
    figures: tuple[tuple[str, float], ...] = ()
    """Numbers behind it, by name: for advisers to hear, and people to watch as `autoscaler_rule_figure`."""


def abstain(reason: str) -> Proposal:
    """Return the proposal without an opinion."""
    return Proposal(Kind.ABSTAIN, 0, reason)


class Rule(Protocol):
    """The plug-in: pure, frozen, and the same answer for the same arguments."""

    @property
    def name(self) -> str:
        """Unique within a policy: memory is kept by it."""

    @property
    def role(self) -> Role:
        """What the rule is for."""

    @property
    def needs(self) -> tuple[SignalRequest, ...]:
        """The signals it reads."""

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return an opinion and the new memory; `now` is UTC epoch seconds."""


class Adviser(Rule, Protocol):
    """A rule of the role `advise`."""

    def advise(
        self, observation: Observation, fleet: Fleet, heard: tuple[Said, ...], memory: Memory, now: float
    ) -> tuple[Proposal, Memory]:
        """Return an opinion on what the other rules said at this tick, and the new memory."""


class Said(NamedTuple):
    """What one of the other rules said."""

    name: str
    role: Role
    proposal: Proposal


DEMAND_REPLICAS, USABLE_SHARE = "demand_replicas", "usable_share"
ARRIVED_REQUESTS, MISSED_REQUESTS = "arrived_requests", "missed_requests"
"""Figures by which a sizing rule tells advisers of the last quarter of a minute: the replicas that demand would fill,
the share of a replica that may be filled, the requests that came, and how many of them missed the objective."""
