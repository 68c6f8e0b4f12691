from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autoscaler.engine.observation import Quality, SignalRequest
from autoscaler.engine.proposal import Kind
from autoscaler.rules import arrivals
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.capacity import Capacity
from autoscaler.rules.replica_presets import PRESETS
from autoscaler.rules.work import Coefficients, usable_share
from tests.rules.builders import NOW, ask, fleet, observation, signal

RULE = Capacity(preset="h100-llama-3.1-8b", pending_target_per_replica=24.0)
PROMPT, OUTPUT = 1000.0, 200.0


class Backend:
    """What a backend shows that answers each request at once."""

    def __init__(self, rule: Capacity = RULE) -> None:
        self.rule = rule
        self.memory = {}
        self.now = NOW
        self.requests = 1000.0

    def signals(self, pending: float = 10.0, quality: Quality = Quality.OK):
        values = {
            "startedRequests": self.requests,
            "promptTokens": PROMPT * self.requests,
            "generatedTokens": OUTPUT * self.requests,
            "queueDepth": 0.0,
            "pendingRequests": pending,
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
    """100 requests a second of 1000 in and 200 out take 33 ms each: 3.3 replicas full, 4 or 5 with room and at 89 %."""
    preset = PRESETS["h100-llama-3.1-8b"]
    work_ms = preset.prefill_ms * PROMPT + OUTPUT * (preset.sequence_ms + preset.context_ms * (PROMPT + OUTPUT))
    proposal = Backend().settle(100.0, minutes=180)
    assert proposal.kind is Kind.COUNT
    least = math.ceil(100.0 * work_ms / 1e3 / usable_share(0.00642, 0.05, OUTPUT, work_ms / 1e3) - 0.05)
    assert least <= proposal.replicas <= least + 1
    assert f"100 requests/s * {work_ms:.3g} ms" in proposal.reason


def test_before_it_knows_the_requests_it_sizes_by_those_in_flight():
    """No count of the model's before a hundred requests: in flight by the target, and nothing is lowered."""
    backend = Backend()
    proposal = backend.tick(1.0)
    assert proposal.kind is Kind.DEMAND
    assert proposal.replicas == pytest.approx(10.0 / 24.0)
    assert proposal.blocks_decrease
    assert all(backend.tick(1.0).kind is Kind.DEMAND for _ in range(6))
    assert backend.tick(1.0).kind is Kind.COUNT


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
    backend.settle(50.0, minutes=5)
    backend.requests += 750.0
    backend.now += 15.0
    signals = backend.signals(quality=Quality.PARTIAL)
    proposal, _ = ask(RULE, *signals, of=fleet(4), memory=backend.memory, now=backend.now)
    assert proposal.kind is Kind.COUNT
    assert proposal.blocks_decrease


def test_the_count_is_held_for_a_cold_start():
    """After the load fell, what a replica took to start passes before the count does."""
    backend = Backend()
    high = backend.settle(200.0, minutes=300, startup_seconds=300.0).replicas
    held = [backend.tick(10.0, startup_seconds=300.0).replicas for _ in range(60)]
    assert held[:19] == [high] * 19
    assert held[-1] < high


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
    """However long it runs, and however the cold start moves: a bounded number of entries."""
    backend = Backend()
    for number in range(2000):
        backend.tick(50.0 + number % 7, startup_seconds=30.0 + number % 900)
    assert len(backend.memory) < 300
    assert len(json.dumps(dict(backend.memory))) < 30_000


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


@pytest.mark.parametrize(
    ("base", "token", "output", "work", "share"),
    [
        (0.00642, 0.05, 211.0, 0.038, 0.893),
        (0.022, 0.1, 211.0, 0.135, 0.754),
        (0.022, 0.1, 28.0, 0.138, 0.533),
        (0.057, 0.05, 200.0, 0.1, 0.1),
        (0.022, 0.1, 0.0, 0.0, 0.1),
    ],
)
def test_the_usable_share(base, token, output, work, share):
    """What base and burstiness leave, and never nothing."""
    assert usable_share(base, token, output, work) == pytest.approx(share, abs=3e-3)


def test_work_is_what_an_iteration_grows_by():
    """1000 in and 200 out of an H100 with an 8B model: 19.6 ms of prompt and 12.8 ms of decoding."""
    h100 = Coefficients(0.00642, 19.6e-6, 4e-6, 5e-8)
    assert h100.work_seconds(1000.0, 200.0) == pytest.approx(0.0196 + 0.0128)
