from __future__ import annotations

import itertools
import json
import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import Quality, Replica, SignalRequest
from autoscaler.engine.proposal import Kind
from autoscaler.engine.spec import EngineSpec, Startup
from autoscaler.engine.state import State
from autoscaler.rules import arrivals
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.capacity import Capacity
from autoscaler.rules.replica_presets import PRESETS
from autoscaler.rules.work import Coefficients
from tests.rules.builders import NOW, ask, fleet, observation, signal
from tests.rules.plays import H100, play, steady

RULE = Capacity(preset="h100-llama-3.1-8b", pending_target_per_replica=24.0)
PROMPT, OUTPUT = 1000.0, 200.0


class Backend:
    """What a backend shows that answers each request at once."""

    def __init__(self, rule: Capacity = RULE) -> None:
        self.rule = rule
        self.memory = {}
        self.now = NOW
        self.requests = 1000.0
        self.pending = 10.0
        self.waiting = 0.0

    def signals(self, pending: float | None = None, quality: Quality = Quality.OK):
        values = {
            "startedRequests": self.requests,
            "promptTokens": PROMPT * self.requests,
            "generatedTokens": OUTPUT * self.requests,
            "queueDepth": self.waiting,
            "pendingRequests": self.pending if pending is None else pending,
        }
        found = [signal(key, value, quality)._replace(taken_at=self.now - 5) for key, value in values.items()]
        return [*found, *(signal(request.key, 0.1) for request in self.rule.needs[len(values) :])]

    def tick(self, rate: float, ready: int = 4, seconds: float = 15.0, startup_seconds: float = 80.0):
        self.requests += rate * seconds
        self.now += seconds
        of = fleet(ready, startup_seconds=startup_seconds)
        proposal, self.memory = ask(self.rule, *self.signals(), of=of, memory=self.memory, now=self.now)
        return proposal

    def settle(self, rate: float, minutes: int = 30, **more):
        for _ in range(4 * minutes):
            proposal = self.tick(rate, **more)
        return proposal


def test_steady_traffic_fills_the_replicas_that_its_work_needs():
    """100 requests a second of 1000 in and 200 out take 32.4 ms each: 3.24 replicas full, 4 or 5 in all."""
    proposal = Backend().settle(100.0, minutes=180)
    assert proposal.kind is Kind.COUNT
    assert proposal.replicas in (4, 5)
    assert "100 requests/s * 32.4 ms = 3.24 replicas full" in proposal.reason


def test_twice_the_traffic_takes_about_twice_the_replicas():
    """A larger fleet may be fuller: a little less than twice as many, and never a fleet of another order."""
    few, many = (Backend().settle(rate, minutes=180).replicas for rate in (300.0, 600.0))
    assert 1.7 * few <= many <= 2.0 * few


def test_a_first_look_never_asks_for_more_than_there_are_and_lowers_nothing():
    """Counters begin somewhere: what comes is known one bin later, and until then ready replicas stay."""
    backend = Backend()
    proposal = backend.tick(1.0)
    assert (proposal.kind, proposal.blocks_decrease) == (Kind.COUNT, True)
    assert proposal.replicas <= 1
    assert "a first look" in proposal.reason


def test_a_first_look_at_an_empty_fleet_sizes_by_those_in_flight():
    """Nobody serves them: ten in flight are not made to wait a bin for their first replica."""
    proposal = Backend().tick(1.0, ready=0)
    assert (proposal.kind, proposal.replicas) == (Kind.DEMAND, pytest.approx(10.0 / 24.0))
    assert proposal.blocks_decrease


def test_before_it_knows_the_requests_it_sizes_by_those_in_flight():
    """No count of the model's before a hundred requests: in flight by the target, and nothing is lowered."""
    backend = Backend()
    backend.tick(1.0)
    proposals = [backend.tick(1.0) for _ in range(6)]
    assert {(one.kind, one.replicas, one.blocks_decrease) for one in proposals} == {(Kind.DEMAND, 10.0 / 24.0, True)}
    assert backend.tick(1.0).kind is Kind.COUNT


def test_nothing_is_lowered_before_seven_minutes_were_seen():
    """28 bins after the first look: a forecast from less is no reason to let replicas go."""
    backend = Backend()
    blocks = [backend.tick(50.0).blocks_decrease for _ in range(40)]
    assert blocks == [True] * 28 + [False] * 12


def test_no_new_bin_repeats_the_last_count():
    """A tick that comes between scrapes has nothing new to say, and lowers nothing."""
    backend = Backend()
    last = backend.settle(50.0, minutes=20)
    proposal, memory = ask(RULE, *backend.signals(), of=fleet(4), memory=backend.memory, now=backend.now + 5.0)
    assert (proposal.kind, proposal.replicas, proposal.blocks_decrease) == (Kind.COUNT, last.replicas, True)
    assert memory == backend.memory


@pytest.mark.parametrize("key", [request.key for request in arrivals.NEEDS])
@pytest.mark.parametrize("quality", [Quality.ERROR, Quality.STALE, Quality.EMPTY, Quality.NO_PODS, Quality.NAN])
def test_an_unknown_signal_blocks_a_decrease(key, quality):
    """Whichever of the five it is, nothing may be lowered, and what was learned stays."""
    backend = Backend()
    backend.settle(50.0, minutes=5)
    signals = [signal(one.name, quality) if one.name == key else one for one in backend.signals()]
    proposal, memory = ask(RULE, *signals, of=fleet(4), memory=backend.memory, now=backend.now + 15)
    assert proposal.kind is (Kind.ABSTAIN if key == "pendingRequests" else Kind.DEMAND)
    assert proposal.blocks_decrease
    assert memory == backend.memory


@pytest.mark.parametrize("key", ["startedRequests", "promptTokens", "generatedTokens", "queueDepth"])
def test_without_a_counter_requests_in_flight_still_raise(key):
    """Unknown blocks a decrease, never an increase: with the pending requests known, it sizes by those."""
    signals = [s for s in Backend().signals(pending=100.0) if s.name != key]
    proposal, _ = ask(RULE, *signals, of=fleet(1))
    assert (proposal.kind, proposal.replicas) == (Kind.DEMAND, pytest.approx(100 / 24))
    assert proposal.blocks_decrease
    assert key in proposal.reason


def test_without_iteration_times_the_count_is_held_too():
    """Sizing by requests in flight lets go no sooner than one cold start, at least two minutes, after the last need."""
    rule = Capacity(pending_target_per_replica=10.0)
    memory = {}
    counts = []
    for passed, pending in ((0, 95.0), (15, 20.0), (120, 20.0), (121, 20.0)):
        proposal, memory = ask(rule, signal("pendingRequests", pending), of=fleet(1), memory=memory, now=NOW + passed)
        counts.append((proposal.kind, proposal.replicas, proposal.blocks_decrease))
    assert counts == [(Kind.COUNT, 10, False), (Kind.COUNT, 10, False), (Kind.COUNT, 10, False), (Kind.COUNT, 2, False)]


def test_a_replica_that_did_not_report_blocks_a_decrease():
    """A partial sum may raise the count and never lower it."""
    backend = Backend()
    assert not backend.settle(50.0, minutes=20).blocks_decrease
    backend.requests += 750.0
    backend.now += 15.0
    signals = backend.signals(quality=Quality.PARTIAL)
    proposal, _ = ask(RULE, *signals, of=fleet(4), memory=backend.memory, now=backend.now)
    assert proposal.kind is Kind.COUNT
    assert proposal.blocks_decrease


def test_a_step_down_waits_half_a_cold_start():
    """After the load fell, half of what a replica took to start passes before the count does."""
    backend = Backend()
    high = backend.settle(200.0, minutes=300, startup_seconds=300.0).replicas
    held = [backend.tick(5.0, startup_seconds=300.0).replicas for _ in range(60)]
    assert held[:9] == [high] * 9
    assert held[13] < high
    assert held[-1] == 1


def test_a_step_down_waits_two_minutes_at_least():
    """Replicas that start in half a minute are no reason to let them go in half a minute."""
    backend = Backend()
    high = backend.settle(200.0, minutes=120, startup_seconds=30.0).replicas
    held = [backend.tick(10.0, startup_seconds=30.0).replicas for _ in range(20)]
    assert held[:7] == [high] * 7
    assert held[12] < high


def test_what_was_only_foreseen_is_held_for_two_minutes():
    """A ramp of two minutes that ends: what it seemed to become is let go long before a cold start of 300 s is over."""
    backend = Backend()
    before = backend.settle(200.0, minutes=300, startup_seconds=300.0).replicas
    ramp = [backend.tick(200.0 * (1.0 + step / 30.0), startup_seconds=300.0).replicas for step in range(1, 9)]
    after = [backend.tick(200.0, startup_seconds=300.0).replicas for _ in range(20)]
    peak = max(ramp)
    assert peak > 1.3 * before
    assert after[:7] == [peak] * 7
    assert max(after[9:]) < peak  # what present demand needs would be held to the tenth


@pytest.mark.parametrize("rate", [float(rate) for rate in range(60, 200, 4)])
def test_a_need_that_hovers_changes_the_count_at_most_once(rate):
    """Load that swells and ebbs by 1.5 % about any level, for two hours: the count of replicas is not moved with it."""
    backend = Backend()
    backend.settle(rate, minutes=30)
    counts = [backend.tick(rate * (1.0 + 0.015 * math.sin(math.pi * tick / 40.0))).replicas for tick in range(480)]
    assert sum(new != old for old, new in itertools.pairwise(counts)) <= 1


@pytest.mark.parametrize("startup_seconds", [80.0, 300.0])
def test_a_ramp_that_doubles_the_load_in_ten_minutes_is_met_early(startup_seconds):
    """Before the load has grown by a quarter it asks for more than a load higher by a quarter would take."""
    backend = Backend()
    before = backend.settle(400.0, minutes=120, startup_seconds=startup_seconds).replicas
    ramp = [
        backend.tick(400.0 * (1.0 + step / 40.0), startup_seconds=startup_seconds).replicas for step in range(1, 11)
    ]
    steady = Backend().settle(500.0, minutes=120, startup_seconds=startup_seconds).replicas
    assert max(ramp[:6]) > before
    assert ramp[-1] > steady


def test_constant_load_near_a_third_of_a_replica_is_left_alone():
    """Where a second replica begins to be worth having, noise does not fetch it and let it go again and again."""
    changes = [play(H100, steady(7.5, 3600.0, seed), 2, seed=seed).changes(600.0) for seed in range(3)]
    assert max(changes) <= 2


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rate", [100.0, 150.0])
def test_constant_load_is_left_alone(rate, seed):
    """Poisson arrivals for forty minutes: at most one change after the first ten, and 99 % within the objective."""
    played = play(H100, steady(rate, 2400.0, seed), max(1, round(rate * 0.038 / 0.7)), seed=seed)
    assert played.changes(600.0) <= 1
    assert played.attainment >= 0.99


def test_the_same_arguments_give_the_same_answer_after_a_trip_through_json():
    """Memory is plain: what a journal holds decides as what was held in memory."""
    backend = Backend()
    backend.settle(50.0, minutes=10)
    stored = json.loads(json.dumps(dict(backend.memory), allow_nan=False))
    assert stored == backend.memory
    of, seen = fleet(4), backend.signals()
    now = backend.now + 20
    assert RULE.propose(observation(*seen, spec=4), of, stored, now) == RULE.propose(
        observation(*seen, spec=4), of, backend.memory, now
    )


def test_memory_stays_small():
    """However long it runs, and however the cold start and the load move: a bounded number of bytes."""
    backend = Backend()
    random = Random(1)
    sizes = []
    for number in range(4000):
        backend.tick(50.0 * random.random(), startup_seconds=30.0 + number % 900)
        sizes.append(len(json.dumps(dict(backend.memory))))
    assert len(backend.memory) < 300
    assert max(sizes) < 25_000
    assert max(sizes[2000:]) <= 1.05 * max(sizes[:2000])


def test_two_runs_are_the_same_to_the_last_bit():
    """Nothing but the arguments decides: the same readings give the same proposals and the same memory."""
    runs = []
    for _ in range(2):
        backend, random = Backend(), Random(7)
        runs.append(([backend.tick(100.0 * random.random()) for _ in range(200)], json.dumps(dict(backend.memory))))
    assert runs[0] == runs[1]


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.floats(0, 5000), min_size=1, max_size=40),
    seconds=st.sampled_from([5.0, 15.0, 60.0, 700.0]),
    startup_seconds=st.floats(0, 1800),
)
def test_whatever_comes_the_answer_is_a_number(rates, seconds, startup_seconds):
    """No NaN, no infinity, nothing below zero; memory stays JSON."""
    backend = Backend()
    for rate in rates:
        proposal = backend.tick(rate, seconds=seconds, startup_seconds=startup_seconds)
        assert math.isfinite(proposal.replicas)
        assert proposal.replicas >= 0
    json.dumps(dict(backend.memory), allow_nan=False)


@settings(max_examples=15, deadline=None)
@given(low=st.floats(1, 300), factor=st.floats(1.0, 5.0))
def test_more_load_never_asks_for_fewer(low, factor):
    """Of two services with the same history the busier one gets at least as many."""
    counts = []
    for rate in (low, low * factor):
        backend = Backend()
        backend.settle(100.0, minutes=10)
        counts.append(backend.settle(rate, minutes=3).replicas)
    assert counts[0] <= counts[1]


def test_a_counter_that_falls_is_no_arrival():
    """A source that starts over shows less than before: that bin says nothing."""
    backend = Backend()
    before = backend.settle(50.0, minutes=10).replicas
    backend.requests = 0.0
    assert backend.tick(50.0).replicas <= before


def test_requests_that_wait_are_demand_before_they_begin():
    """A queue that grows by 50 a second, beside 50 a second that begin, is a hundred a second that arrive."""
    backend, usual = Backend(), Backend()
    for each in (backend, usual):
        each.settle(50.0, minutes=30)
    for _ in range(12):
        backend.waiting += 750.0
        backend.pending += 750.0
        proposal = backend.tick(50.0)
    assert "100 requests/s" in proposal.reason
    assert proposal.replicas > usual.tick(50.0).replicas


@pytest.mark.parametrize(("rate", "percent", "replicas"), [(13.0, 33.0, 2), (13.0, 60.0, 1), (8.0, 33.0, 1)])
def test_two_replicas_from_a_share_on(rate, percent, replicas):
    """13/s fill 42 % of one replica: two, unless one may be alone to beyond that; 8/s fill 26 %: one."""
    rule = Capacity(preset="h100-llama-3.1-8b", alone_up_to_percent=percent)
    assert Backend(rule).settle(rate, minutes=30).replicas == replicas


def test_a_second_replica_goes_later_than_it_came():
    """31 % of a replica is no reason to fetch a second one, nor to let one go that is there; 23 % lets it go."""
    backend = Backend()
    counts = [backend.settle(rate, minutes=30).replicas for rate in (9.5, 13.0, 9.5, 7.0)]
    assert counts == [1, 2, 2, 1]


def test_spares_come_on_top():
    """Warm spares are whole replicas beyond what demand needs."""
    plain, spare = Backend(), Backend(RULE.model_copy(update={"spare_replicas": 2.0}))
    assert spare.settle(50.0).replicas == plain.settle(50.0).replicas + 2


def test_late_first_tokens_widen_the_room():
    """Half of the requests late: the quantile of errors that the room covers climbs to its limit."""
    backend = Backend()
    backend.settle(50.0, minutes=5)
    share = backend.memory["outlook.share"]
    late = [signal(SignalRequest("timeToFirstToken", q).key, 9.0) for q in (0.9, 0.97, 0.99)]
    for _ in range(20):
        backend.requests += 750.0
        backend.now += 15.0
        signals = [*backend.signals()[:5], *late]
        _, backend.memory = ask(RULE, *signals, of=fleet(4), memory=backend.memory, now=backend.now)
    assert share < 0.9 < backend.memory["outlook.share"]


def test_the_pending_target_comes_from_the_neighbour():
    """Where a policy has `pendingRequests`, its target; else 24; a target of its own stays."""
    rule = Capacity(preset="h100-llama-3.1-8b")
    assert rule.bind(PolicyContext(10, 7.0)).pending_target_per_replica == 7.0
    assert rule.bind(PolicyContext(10, None)).pending_target_per_replica == 24.0
    assert RULE.bind(PolicyContext(10, 7.0)).pending_target_per_replica == 24.0


def test_the_objective_comes_from_the_target_unless_it_is_said():
    """What the rule says, else what the target promises, else 2 s and 50 ms."""
    target = PolicyContext(10, None, ttft_seconds=5.0, tpot_seconds=0.1)
    free = Capacity(preset="h100-llama-3.1-8b")
    assert (free.bind(target).ttft_seconds, free.bind(target).tpot_seconds) == (5.0, 0.1)
    own = free.model_copy(update={"ttft_seconds": 1.0, "tpot_seconds": 0.03}).bind(target)
    assert (own.ttft_seconds, own.tpot_seconds) == (1.0, 0.03)
    usual = free.bind(PolicyContext(10, None))
    assert (usual.ttft_seconds, usual.tpot_seconds) == (2.0, 0.05)


def test_a_tighter_objective_of_the_target_asks_for_more():
    """The promise decides how full a replica may be: 15 ms a token takes more of them than 50 ms."""
    counts = []
    for tpot_seconds in (0.015, 0.05):
        rule = Capacity(preset="h100-llama-3.1-8b").bind(PolicyContext(10, None, tpot_seconds=tpot_seconds))
        counts.append(Backend(rule).settle(300.0, minutes=60).replicas)
    assert counts[0] > 1.3 * counts[1]


def test_a_share_of_its_own_takes_the_place_of_the_computed_one():
    """Half full where the rule says so: about twice the replicas that are full."""
    proposal = Backend(RULE.model_copy(update={"usable_percent": 50.0})).settle(300.0, minutes=60)
    assert proposal.replicas in (19, 20, 21)
    assert proposal.reason.partition(" = 9.72 replicas full")[1]


def test_slow_replicas_are_spoken_of_and_counted():
    """Replicas that decode 2.6 times as slowly as stated: said so, and as many more of them."""
    slow, right = (_paced(Backend(), slowness) for slowness in (2.6, 1.0))
    assert "2.6 times as slow as stated" in slow.reason
    assert "as stated" not in right.reason
    assert slow.replicas > 2.3 * right.replicas


def test_fast_replicas_are_spoken_of():
    """Half the stated time: twice as fast."""
    assert "2.0 times as fast as stated" in _paced(Backend(), 0.5).reason


def _paced(backend, slowness, rate=100.0, share=0.7):
    """Return the proposal after an hour on a fleet that takes `slowness` times what is stated, filled to a share."""
    preset = PRESETS["h100-llama-3.1-8b"]
    work_ms = preset.prefill_ms * PROMPT + OUTPUT * (preset.sequence_ms + preset.context_ms * (PROMPT + OUTPUT))
    ready = round(slowness * rate * work_ms / 1e3 / share)
    filled = slowness * rate * work_ms / 1e3 / ready
    backend.pending = rate * OUTPUT * slowness * preset.base_ms / 1e3 / (1.0 - filled)
    return backend.settle(rate, minutes=60, ready=ready)


def test_requests_without_tokens_are_no_work():
    """A backend whose token counters stand still while requests are answered: a decision, and nothing that breaks."""
    proposals, memory = [], {}
    for number in range(60):
        values = (100.0 * number, 0.0, 0.0, 0.0, 10.0)
        signals = [signal(one.key, value) for one, value in zip(arrivals.NEEDS, values, strict=True)]
        now = NOW + 15.0 * number
        signals = [one._replace(taken_at=now - 5.0) for one in signals]
        proposal, memory = ask(RULE, *signals, of=fleet(4), memory=memory, now=now)
        proposals.append(proposal)
    assert all(math.isfinite(one.replicas) for one in proposals)


COUNTER = st.one_of(st.floats(0, 1e3), st.floats(0, 1e15), st.just(0.0))
GARBAGE = st.lists(st.tuples(*[COUNTER] * 5, st.sampled_from([0.0, 1.0, 5.0, 15.0, 900.0, 1e7])), max_size=30)


@given(GARBAGE, st.sampled_from([0, 1, 40]), st.floats(0, 1e5))
def test_garbage_never_breaks_a_decision(readings, ready, startup_seconds):
    """Counters that fall or leap, requests without tokens, tokens without requests, clocks that stand: a decision."""
    spec = EngineSpec(0, 100, (RULE,), "same", startup=Startup(expected_seconds=startup_seconds))
    state, now = State(), NOW
    for *values, seconds in readings:
        now += seconds
        signals = [
            signal(request.key, value)._replace(taken_at=now - 5.0)
            for request, value in zip(arrivals.NEEDS, values, strict=True)
        ]
        pods = tuple(Replica(f"pod-{one}", "Running", True, NOW - 600.0, NOW - 500.0) for one in range(ready))
        seen = observation(*signals, spec=ready)._replace(replicas=pods)
        decision, state = Engine(spec).decide(seen, state, now)
        assert 0 <= decision.replicas <= 100


def test_the_preset_comes_from_the_replica_unless_it_is_said():
    """A simulation knows its replica; what a document says stays."""
    rule = Capacity()
    assert rule.bind(PolicyContext(10, None, "l40s-llama-3.1-8b")).preset == "l40s-llama-3.1-8b"
    assert RULE.bind(PolicyContext(10, None, "l40s-llama-3.1-8b")).preset == "h100-llama-3.1-8b"
    own = Capacity.model_validate(
        {"iteration": {"baseMs": 6.0, "promptTokenMs": 0.02, "sequenceMs": 0.0, "contextTokenMs": 5e-5}}
    )
    assert own.bind(PolicyContext(10, None, "l40s-llama-3.1-8b")).preset is None


def test_without_iteration_times_it_sizes_by_those_in_flight():
    """Nothing is known of the replica: as pendingRequests, also when lowering."""
    backend = Backend(Capacity(pending_target_per_replica=5.0))
    proposal = backend.settle(50.0)
    assert (proposal.kind, proposal.replicas) == (Kind.COUNT, 2)
    assert not proposal.blocks_decrease
    assert proposal.reason.startswith("neither preset nor iteration")


def test_an_unknown_preset_is_refused():
    """With the names that there are."""
    with pytest.raises(ValidationError, match=r"must be one of h100-llama-3.1-8b"):
        Capacity(preset="h100-llama")


def test_work_is_what_an_iteration_grows_by():
    """1000 in and 200 out of an H100 with an 8B model: 19.6 ms of prompt and 12.8 ms of decoding."""
    h100 = Coefficients(0.00642, 19.6e-6, 4e-6, 5e-8)
    assert h100.work_seconds(1000.0, 200.0) == pytest.approx(0.0196 + 0.0128)


def test_counters_that_begin_anew_are_no_quiet_moment():
    """A change of the source sets them back: the count stays, and no bin of nothing follows what came before."""
    backend = Backend()
    before = backend.settle(200.0, minutes=60)
    history = backend.memory["outlook.history"]
    backend.requests = 0.0
    anew = backend.tick(200.0)
    assert (anew.replicas, anew.blocks_decrease) == (before.replicas, True)
    assert backend.memory["outlook.history"] == history
    assert "200 requests/s" in backend.tick(200.0).reason
