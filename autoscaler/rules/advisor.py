"""Replay the last day under one floor; say what it would have prevented or saved; hold it as far as a limit pays."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from autoscaler.engine.proposal import Kind, Notice, Proposal, Role
from autoscaler.rules import advice, ledger, tape
from autoscaler.rules.base import Name, NotNegative, PolicyContext, Positive, RuleModel
from autoscaler.rules.heard import hear
from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.proposal import Memory, Said
    from autoscaler.rules.advice import Advice
    from autoscaler.rules.heard import Load
    from autoscaler.rules.ledger import Ledger

_SHORTEST_SECONDS = 12.0
"""A tick may come a little early."""
_LONGEST_SECONDS = 120.0
"""A longer silence is not made up; and for so long the budget must last at every tick, whatever the policy asks for."""
_AGAIN_SECONDS = 300.0
"""While requests miss, and demand was above the floor, the replay is made again this soon."""
_BELIEVED = 0.5
"""A floor begins only where at least this part of the misses in the replay was seen: flash crowds that a fleet only
just bears are far worse in a fluid."""
_FEWEST_REQUESTS = 100.0
"""Of an hour: fewer say nothing of a share."""
_PAUSE_SECONDS = 3600.0
"""A fixed count that hurt is not tried again before."""
_FORGET = 0.9999
"""Per bin: requests per need are those of about two days."""


class Advisor(RuleModel):
    """Replays the target's own last day, every half hour, under the policy and under one floor.

    It says what the floor would have prevented and cost. With a spending limit it holds the floor as well, from the
    first misses on, until the policy alone would do. Needs a rule beside it that tells the demand: `capacity`,
    `pendingRequests` or another that adds up what the load needs; misses, as the reason to act, only `capacity` tells.
    """

    type: Literal["advisor"] = "advisor"
    name: Name = "advisor"
    attainment_percent: Annotated[float, Field(strict=True, ge=50, lt=100)] = 99.0
    """The share of requests that should meet the objective."""
    ttft_seconds: Positive | None = None
    """Who waits longer for a first token has missed it. Left out, what the target promises, or 2."""
    spending_limit_replica_hours_per_day: NotNegative | None = None
    """The burst budget: replica-hours, above what the policy itself asks for, that a floor may take in any 24 hours.
    Left out, the advisor only says what a floor would do."""
    may_replace_policy: Annotated[bool, Field(strict=True)] = False
    """Where over a whole day one fixed count would have met the objective for a tenth less than the policy, hold that
    count, and let go of it at once when it hurts. Needs a spending limit."""
    price_per_replica_hour: NotNegative | None = None
    """For saying what hours are worth, in whatever currency."""
    max_replicas: Annotated[int, Field(strict=True, ge=1)] | None = None
    """No floor above this. Left out, the document's maximum."""

    role: ClassVar[Role] = Role.ADVISE
    needs: ClassVar[tuple[SignalRequest, ...]] = ()

    @model_validator(mode="after")
    def _pays(self) -> Self:
        if self.may_replace_policy and self.spending_limit_replica_hours_per_day is None:
            raise ValueError("`mayReplacePolicy` needs a `spendingLimitReplicaHoursPerDay`")
        return self

    def bind(self, context: PolicyContext) -> Self:
        """Return the rule with the document's maximum and the target's promise."""
        most = context.max_replicas
        found: dict[str, object] = {"max_replicas": min(self.max_replicas or most, most)}
        if self.ttft_seconds is None:
            found["ttft_seconds"] = context.ttft_seconds or 2.0
        return self.model_copy(update=found)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return what it says when nobody else said anything."""
        return self.advise(observation, fleet, (), memory, now)

    def advise(
        self, observation: Observation, fleet: Fleet, heard: tuple[Said, ...], memory: Memory, now: float
    ) -> tuple[Proposal, Memory]:
        """Return the floor to hold, or what one would do, and the memory with one more bin."""
        # a thousand targets must not replay at once
        phase_seconds = zlib.crc32(observation.target.encode()) % ledger.SLOT_SECONDS
        asked = fleet.spec_replicas if fleet.asked_replicas is None else fleet.asked_replicas
        book = _charged(ledger.turn(memory, now, phase_seconds), memory, fleet.spec_replicas, asked, now)
        load = hear(heard)
        changes: _Changes = {"at": now}
        if load is not None:
            book, recorded = _recorded(book, memory, load, asked, now)
            changes.update(recorded)
        kept = {**memory, **changes, **ledger.store(book)}
        notices = self._replay(kept, book, fleet, now) if self._due(kept, book, now) else ()
        return self._say(kept, book, load, notices, now), kept

    def _due(self, memory: Memory, book: Ledger, now: float) -> bool:
        if "tape" not in memory:
            return False
        if book.turned:
            return True
        news = number(memory, "highest") > number(memory, "floor")
        return news and now - number(memory, "replayed.at") >= _AGAIN_SECONDS and self._missing(book)

    def _missing(self, book: Ledger) -> bool:
        """Return whether more requests miss than may, in the last hour and over the day."""
        allowed, hour = self._allowed_share, book.hour
        return hour.arrived >= _FEWEST_REQUESTS and hour.missed_share > allowed and book.day.missed_share > allowed

    @property
    def _allowed_share(self) -> float:
        return 1.0 - self.attainment_percent / 100.0

    def _replay(self, kept: dict[str, _Value], book: Ledger, fleet: Fleet, now: float) -> tuple[Notice, ...]:
        """Write new advice into the memory, and return the notice if it is other than before."""
        needed, limit = number(kept, "needed"), self.spending_limit_replica_hours_per_day
        question = advice.Question(
            fleet.startup_seconds,
            self.ttft_seconds or 2.0,
            self._allowed_share,
            self.max_replicas or fleet.spec_replicas,
            number(kept, "requests") / needed if needed > 0.0 else 0.0,
            limit,
            book.day.arrived,
        )
        found = advice.advise(*tape.read(str(kept["tape"])), question)
        text = advice.write(found)
        believed = self._missing(book) and book.day.missed_share >= _BELIEVED * found.policy_missed
        holding = limit is not None and (number(kept, "floor") > 0.0 or believed)
        kept.update({"replayed.at": now, "advice": text, "floor": found.affordable if holding else 0, "highest": 0.0})
        kept["fixed"] = found.fixed if self._may_be_fixed(found, kept, now) else 0
        if found.floor == number(kept, "said.floor"):
            return ()
        kept["said.floor"] = found.floor
        return (Notice("FloorAdvised", advice.said(text, self.price_per_replica_hour)),)

    def _may_be_fixed(self, found: Advice, memory: Memory, now: float) -> bool:
        if not self.may_replace_policy or not found.fixed_is_cheaper:
            return False
        return tape.bins(str(memory["tape"])) >= tape.MOST_BINS and now >= number(memory, "fixed.after")

    def _say(
        self, kept: dict[str, _Value], book: Ledger, load: Load | None, notices: tuple[Notice, ...], now: float
    ) -> Proposal:
        text = kept.get("advice")
        if not isinstance(text, str):
            why = "no half hour is over yet" if "tape" in kept else "no rule tells the demand"
            return Proposal(Kind.ABSTAIN, 0, why)
        reason, limit = advice.said(text, self.price_per_replica_hour), self.spending_limit_replica_hours_per_day
        if limit is None:
            return Proposal(Kind.ABSTAIN, 0, reason, notices=notices, figures=advice.figures(text))
        fixed = self._still_fixed(kept, load, now)
        spent = book.now.spent + book.past_day.spent
        payable = int(max(0.0, limit - spent) * 3600.0 / _LONGEST_SECONDS)
        held = min(max(int(number(kept, "floor")), fixed), payable)
        kept["held"] = held
        figures = (*advice.figures(text), ("held_replicas", float(held)), ("spent_replica_hours", spent))
        blind = "" if book.now.arrived + book.past_day.arrived else "; no rule tells who missed, so nothing is held"
        reason = f"{reason}; {spent:.3g} of {limit:g} replica-hours spent{blind}"
        if not held:
            return Proposal(Kind.ABSTAIN, 0, reason, notices=notices, figures=figures)
        return Proposal(Kind.BOUNDS, held, reason, notices=notices, most=fixed or None, figures=figures)

    def _still_fixed(self, kept: dict[str, _Value], load: Load | None, now: float) -> int:
        """Return the fixed count, or 0 from the first sign on that it hurts, or that nobody could tell."""
        fixed = int(number(kept, "fixed"))
        if not fixed:
            return 0
        unseen = now - number(kept, "seen.at") > 4 * tape.BIN_SECONDS
        if unseen or (load is not None and (load.need > fixed or load.missed > self._allowed_share * load.arrived)):
            kept.update({"fixed": 0, "fixed.after": now + _PAUSE_SECONDS})
            return 0
        return fixed


_Value = float | int | str | bool | None
_Changes = dict[str, _Value]


def _charged(book: Ledger, memory: Memory, there: int, asked: int, now: float) -> Ledger:
    """Return the book with what the floor took since the last tick beyond what the policy asked for.

    Only replicas that are really `there` cost: a dry run, and a target that is paused, spend nothing.
    """
    more = min(int(number(memory, "held")), there) - asked
    if more <= 0:
        return book
    return book.book(ledger.Entry(spent=more * max(0.0, now - number(memory, "at", now)) / 3600.0))


def _recorded(book: Ledger, memory: Memory, load: Load, asked: int, now: float) -> tuple[Ledger, _Changes]:
    """Return the book and the memory's changes with one more bin; more where ticks are longer than a bin."""
    seconds = now - number(memory, "seen.at", now - tape.BIN_SECONDS)
    if seconds < _SHORTEST_SECONDS and not load.arrived:
        return book, {}
    bins = max(1, round(min(_LONGEST_SECONDS, seconds) / tape.BIN_SECONDS))
    before = memory.get("tape")
    text = tape.write(before if isinstance(before, str) else "", tape.Bin(load.need, asked), bins)
    return book.book(ledger.Entry(load.arrived, load.missed)), {
        "seen.at": now,
        "tape": text,
        "highest": max(number(memory, "highest"), load.need),
        "needed": number(memory, "needed") * _FORGET + load.need * bins,
        "requests": number(memory, "requests") * _FORGET + load.arrived,
    }
