from __future__ import annotations

import itertools
import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autoscaler.engine.proposal import Kind, Proposal, Role, Said
from autoscaler.rules import advice, ledger, tape
from autoscaler.rules.advice import Question, advise
from autoscaler.rules.advisor import Advisor
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.heard import Load, hear
from tests.rules.builders import NOW, fleet, observation

HOURS = 3600.0
QUESTION = Question(80.0, 2.0, 0.01, 40, 100.0, None, 10_000.0)
QUIET, SURGE = [2.0] * 400, [10.0] * 60


def sized(need: float, arrived: float = 100.0, missed: float = 0.0) -> tuple[Said, ...]:
    """Return what a sizing rule says that knows the demand, and who missed."""
    figures = (
        ("demand_replicas", need / 2.0),
        ("usable_share", 0.5),
        ("arrived_requests", arrived),
        ("missed_requests", missed),
    )
    return (Said("capacity", Role.SIZE, Proposal(Kind.COUNT, math.ceil(need), "", figures=figures)),)


class Target:
    """A target whose policy has what is needed one cold start too late, in a cluster that gives what is asked for."""

    def __init__(self, startup_seconds: float = 80.0, **parameters):
        self.rule = Advisor.model_validate(parameters).bind(PolicyContext(40, None))
        self.startup_seconds = startup_seconds
        self.memory = {}
        self.now = NOW
        self.asked = self.count = 2
        self.above = []
        """From when on how many were held above what the policy asked for."""

    def tick(self, need: float, missed: float = 0.0, seconds: float = 15.0, asked: int | None = None, heard=None):
        self.now += seconds
        of = fleet(self.count, startup_seconds=self.startup_seconds, asked_replicas=self.asked)
        seen = observation(spec=self.count)
        said = sized(need, 50.0 * need, missed * 50.0 * need) if heard is None else heard
        proposal, self.memory = self.rule.advise(seen, of, said, self.memory, self.now)
        held = int(proposal.replicas) if proposal.kind is Kind.BOUNDS else 0
        self.asked = math.ceil(need) if asked is None else asked
        self.count = max(held, self.asked)
        self.above.append((self.now, self.count - self.asked))
        return proposal

    def surge(self, missed: float = 0.8):
        """Live through half an hour of calm and a surge of which a share misses at first; return the last proposal."""
        for _ in range(120):
            self.tick(2.0)
        for _ in range(6):
            self.tick(10.0, missed, asked=3)
        for _ in range(20):
            proposal = self.tick(10.0)
        return proposal


def figures(proposal: Proposal) -> dict[str, float]:
    """Return the figures by name."""
    return dict(proposal.figures)


def test_a_surge_teaches_the_floor_that_would_have_met_it():
    """A policy that follows with a delay loses the surge; a floor as high as the surge loses nothing."""
    asked = [2] * 406 + [10] * 54
    found = advise([*QUIET, *SURGE], asked, QUESTION)
    assert found.policy_missed > 0.05
    assert (found.floor, found.fixed) == (10, 10)
    assert found.floor_missed == 0.0
    assert found.floor_hours == pytest.approx(8 * 406 / 240, rel=0.01)
    assert found.policy_hours == pytest.approx((2 * 406 + 10 * 54) / 240)


def test_where_the_policy_does_no_floor_is_advised():
    """And where it asks for far more than one fixed count would, that is said."""
    found = advise([2.0] * 480, [5] * 480, QUESTION)
    assert (found.floor, found.affordable, found.fixed) == (0, 0, 2)
    assert found.fixed_is_cheaper
    assert found.saved_hours == pytest.approx(3 * 2)
    assert "2 all the time would have done for 72 replica-hours a day less" in advice.said(advice.write(found), None)
    assert "(144.00)" in advice.said(advice.write(found), 2.0)


def test_a_limit_lowers_the_floor_to_what_it_pays_for():
    """The highest count whose price over a whole day is within the limit; nothing at a limit of nothing."""
    needs, asked = [*QUIET, *SURGE], [2] * 406 + [10] * 54
    a_day = 24.0 / (460 / 240)
    for limit in (0.0, 20.0, 50.0, 1000.0):
        found = advise(needs, asked, QUESTION._replace(limit=limit))
        cost = max(0, found.affordable - 2) * 406 / 240 * a_day
        assert cost <= limit
        assert found.affordable == 10 or (found.affordable - 1) * 406 / 240 * a_day > limit
        assert found.floor == 10


def test_advice_comes_back_from_a_memory():
    """As it was, whole counts as whole numbers."""
    found = advise([*QUIET, *SURGE], [2] * 460, QUESTION)
    assert advice.read(advice.write(found)) == found
    assert isinstance(advice.read(advice.write(found)).floor, int)


def test_without_a_limit_it_only_says():
    """The figures and the reason tell of the floor; nothing is asked for, and one notice is given."""
    target = Target()
    proposal = target.surge()
    assert proposal.kind is Kind.ABSTAIN
    for _ in range(60):
        proposal = target.tick(2.0)
        assert proposal.kind is Kind.ABSTAIN
    assert figures(proposal)["floor_replicas"] == 10
    assert figures(proposal)["policy_missed_share"] > 0.05
    assert "with a floor of 10 0.00%" in proposal.reason


def test_with_a_limit_it_holds_the_floor_from_the_first_misses_on():
    """At once, not at the end of the half hour; and it says what was spent."""
    target = Target(spendingLimitReplicaHoursPerDay=500.0)
    target.surge()
    kinds = {target.tick(2.0).kind for _ in range(200)}
    assert kinds == {Kind.BOUNDS}
    assert target.count == 10
    proposal = target.tick(2.0)
    assert proposal.most is None
    assert figures(proposal)["spent_replica_hours"] == pytest.approx(8 * 200 / 240, rel=0.03)


@pytest.mark.parametrize("missed", [0.0, 0.12])
def test_a_replay_that_fails_is_no_reason_while_far_fewer_missed(missed):
    """The fluid errs by a factor of two: it does not act on its word alone, nor where twice as many missed in it."""
    target = Target(spendingLimitReplicaHoursPerDay=500.0)
    target.surge(missed)
    book = ledger.turn(target.memory, target.now, 0.0)
    assert book.day.missed_share == 0.0 or 0.01 < book.day.missed_share < 0.05
    for _ in range(300):
        proposal = target.tick(2.0)
        assert proposal.kind is Kind.ABSTAIN
    assert figures(proposal)["floor_replicas"] == 10


def test_the_floor_goes_when_the_policy_alone_would_do():
    """A day after the last surge the tape no longer knows of one."""
    target = Target(spendingLimitReplicaHoursPerDay=5000.0)
    target.surge()
    for _ in range(2 * 240):
        target.tick(2.0, seconds=60.0)
    assert target.count == 10
    for _ in range(24 * 60):
        proposal = target.tick(2.0, seconds=60.0)
    assert proposal.kind is Kind.ABSTAIN
    assert target.count == 2


def test_unknown_demand_neither_lowers_the_floor_nor_teaches_anything():
    """Signals gone for an hour: the floor stays, the tape does not grow."""
    target = Target(spendingLimitReplicaHoursPerDay=500.0)
    target.surge()
    target.tick(2.0)
    bins = tape.bins(target.memory["tape"])
    for _ in range(240):
        proposal = target.tick(2.0, heard=())
    assert (proposal.kind, proposal.replicas) == (Kind.BOUNDS, 10)
    assert tape.bins(target.memory["tape"]) == bins


def test_a_dry_run_spends_nothing():
    """Replicas that are not there cost nothing."""
    target = Target(spendingLimitReplicaHoursPerDay=500.0)
    target.surge()
    for _ in range(100):
        target.count = target.asked
        proposal = target.tick(2.0)
    assert proposal.kind is Kind.BOUNDS
    assert figures(proposal)["spent_replica_hours"] < 0.1


@settings(max_examples=8, deadline=None)
@given(
    limit=st.floats(0.0, 60.0),
    seed=st.integers(0, 2**31),
    gaps=st.lists(st.sampled_from([20.0, 60.0, 120.0, 120.0]), min_size=1, max_size=9),
)
def test_a_spending_limit_is_never_exceeded(limit, seed, gaps):
    """In no 24 hours, whatever the policy asks for and however the ticks fall."""
    target = Target(spendingLimitReplicaHoursPerDay=limit)
    draw, ticks = random.Random(seed), itertools.cycle(gaps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape, "MOST_BINS", 60)  # a tape of a quarter of an hour is replayed sooner
        target.surge()
        while target.now < NOW + 30 * HOURS:
            need, missed = draw.choice([0.0, 0.0, 1.0, 12.0]), draw.choice([0.0, 0.5])
            target.tick(need, missed, seconds=next(ticks), asked=draw.choice([0, 1, 2, 11]))
    check_limit(target.above, limit)


def check_limit(above: list[tuple[float, int]], limit: float) -> None:
    """Hold every 24 hours against the limit; `above` is what was held above the ask, from each moment to the next."""
    costs = [more * (after - at) / HOURS for (at, more), (after, _) in itertools.pairwise(above)]
    total = list(itertools.accumulate(costs, initial=0.0))
    first = 0
    for last, (at, _) in enumerate(above):
        while at - above[first][0] > 24 * HOURS:
            first += 1
        assert total[last] - total[first] <= limit + 1e-6


def test_one_fixed_count_replaces_the_policy_only_where_it_may():
    """After a whole day in which it would have done for a tenth less; never without the word."""
    for may, held in ((True, 3), (False, 0)):
        target = Target(spendingLimitReplicaHoursPerDay=500.0, mayReplacePolicy=may)
        for _ in range(24 * 60 + 40):
            proposal = target.tick(2.5, seconds=60.0, asked=6)
        assert proposal.kind is (Kind.BOUNDS if may else Kind.ABSTAIN)
        assert (proposal.replicas, proposal.most) == (held, held or None)


@pytest.mark.parametrize(
    "sign", [{"need": 3.5}, {"need": 2.5, "missed": 0.05}, {"need": 2.5, "heard": (), "seconds": 90.0}]
)
def test_a_fixed_count_that_hurts_is_let_go_at_once(sign):
    """More than it serves, misses, or nobody who could tell: no maximum any more, and not again for an hour."""
    target = Target(spendingLimitReplicaHoursPerDay=500.0, mayReplacePolicy=True)
    for _ in range(24 * 60 + 40):
        target.tick(2.5, seconds=60.0, asked=6)
    assert target.tick(2.5, asked=6).most == 3
    assert target.tick(asked=6, **sign).most is None
    assert {target.tick(2.5, asked=6, seconds=60.0).most for _ in range(55)} == {None}


def test_memory_stays_small_and_comes_back_from_json():
    """A journal holds it: below 20 KB after days, and the same answer after a journey through JSON."""
    target = Target(spendingLimitReplicaHoursPerDay=100.0, mayReplacePolicy=True)
    draw = random.Random(7)
    for number in range(60 * 26):
        target.tick(draw.expovariate(0.2), draw.random() if number > 1500 else 0.001, seconds=60.0)
    text = json.dumps(target.memory, allow_nan=False)
    assert len(text) < 20_500
    of, seen = fleet(5, asked_replicas=3), observation(spec=5)
    again = [
        target.rule.advise(seen, of, sized(4.0), memory, target.now + 15)
        for memory in (target.memory, json.loads(text))
    ]
    assert again[0] == again[1]


def test_targets_do_not_replay_at_once():
    """Half hours begin at a moment of the target's own."""
    turned = set()
    for number in range(20):
        target = Target()
        seen = observation(spec=2)._replace(target=f"inference/model-{number}")
        memory = {}
        for step in range(240):
            _, memory = target.rule.advise(seen, fleet(2, asked_replicas=2), sized(2.0), memory, NOW + 15 * step)
        turned.add(memory["replayed.at"])
    assert len(turned) > 12


def test_demand_is_heard_from_any_rule_that_adds_it_up():
    """The greatest need; neither guards, nor rules that do not know, nor counts without figures are heard."""
    demand = Said("pendingRequests", Role.SIZE, Proposal(Kind.DEMAND, 3.5, ""))
    blind = Said("queueDepth", Role.SIZE, Proposal(Kind.DEMAND, 9.0, "", blocks_decrease=True))
    count = Said("mine", Role.SIZE, Proposal(Kind.COUNT, 9, ""))
    guard = Said("latency", Role.GUARD, Proposal(Kind.DEMAND, 9.0, ""))
    assert hear((demand, blind, count, guard)) == Load(3.5)
    assert hear((*sized(5.0, 100.0, 2.0), demand)) == Load(5.0, 100.0, 2.0)
    assert hear((blind, count, guard)) is None
    assert hear(()) is None


def test_alone_it_has_nothing_to_say():
    """Without a rule that tells the demand it abstains, and says why."""
    target = Target(spendingLimitReplicaHoursPerDay=5.0)
    for _ in range(300):
        proposal = target.tick(0.0, heard=())
    assert (proposal.kind, proposal.reason) == (Kind.ABSTAIN, "no rule tells the demand")


def test_the_book_keeps_a_day():
    """What was booked 25 hours ago counts no more, what was 23 hours ago does; slots are half hours of one phase."""
    memory, spent = {}, []
    for half_hour in range(60):
        book = ledger.turn(memory, NOW + 1800 * half_hour, 0.0).book(ledger.Entry(10.0, 1.0, 0.5))
        spent.append(book.day.spent)
        memory = {**memory, **ledger.store(book)}
    assert spent[:3] == [0.5, 1.0, 1.5]
    assert spent[-1] == pytest.approx(24.5)
    assert book.hour.arrived == pytest.approx(30.0)
    assert book.hour.missed_share == pytest.approx(0.1)
    assert ledger.turn(memory, NOW + 1800 * 200, 0.0).day == ledger.Entry()


def test_replacing_needs_a_limit():
    """Refused with both words."""
    with pytest.raises(ValidationError, match="`mayReplacePolicy` needs a `spendingLimitReplicaHoursPerDay`"):
        Advisor(may_replace_policy=True)
