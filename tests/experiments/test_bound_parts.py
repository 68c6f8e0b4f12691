"""The bound's parts, each against what it must not exceed: measured busy time, brute force, its own members."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.experiments.bound_demand import SHARES, lives, slowest_step, work
from autoscaler.experiments.bound_jobs import Grid, Span, gather, place_maxima, places
from autoscaler.experiments.bound_presence import Calls, presence_seconds
from autoscaler.experiments.bound_program import put_off
from autoscaler.experiments.scene import Objective
from autoscaler.experiments.score import attained
from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.traces.trace import Trace
from tests.simulator.fleets import cases

EASY = Objective(1e6, 1e6)


def trace_of(arrivals, prompts, outputs, hits=None):
    """Return a trace from any sequences."""
    prompts, outputs = np.asarray(prompts, np.int32), np.asarray(outputs, np.int32)
    return Trace("test", np.asarray(arrivals, np.float64), prompts, outputs, prefix_tokens=hits)


@settings(max_examples=200, deadline=None)
@given(
    case=st.booleans().flatmap(lambda everything: cases(40, everything=everything)), share=st.integers(0, SHARES - 1)
)
def test_work_is_no_more_than_what_replicas_were_busy_with(case, share):
    """However batches, chunks and preemptions fell: what completed took at least its work, however bases are shared."""
    fleet = case.play(case.fleet())
    done = fleet.results().outcome == kernel.COMPLETED
    trace = trace_of(case.arrivals, case.prompts, case.outputs, case.hits).take(done)
    needed = work(trace, case.model, np.full(int(done.sum()), np.inf), share)
    busy = sum(replica.busy_seconds for replica in fleet.replicas()) + fleet.busy_seconds()
    assert float((needed.prefill + needed.decode).sum()) <= busy * (1 + 1e-9)


def busy_seconds(model, trace):
    """Return how long one replica is busy with all of a trace."""
    fleet = SimulatedFleet(model, iter([0.0]))
    fleet.add_requests(trace.arrival_seconds, trace.prompt_tokens, trace.output_tokens)
    fleet.scale_to(1, 0.0)
    fleet.advance(1e6)
    assert (fleet.results().outcome == kernel.COMPLETED).all()
    return fleet.busy_seconds(), fleet.preemptions()


SMALL = replica_model("l4-llama-3.1-8b", Serving(max_sequences=64))._replace(kv_tokens=200, longest_tokens=200)


@pytest.mark.parametrize("conservative", [False, True], ids=["optimistic", "conservative"])
@pytest.mark.parametrize("share", range(SHARES))
def test_bases_are_not_given_away_twice(conservative, share):
    """Where the cache is full all the time and iterations cost their base alone, no share exceeds them."""
    model = SMALL._replace(
        prefill_seconds=0.0, sequence_seconds=0.0, context_seconds=0.0, base_seconds=0.01, conservative=conservative
    )
    trace = trace_of(np.full(200, 1.0), np.full(200, 20), np.full(200, 20))
    needed = work(trace, model, np.full(200, np.inf), share)
    busy, _ = busy_seconds(model, trace)
    part = float((needed.prefill + needed.decode).sum()) / busy
    assert part <= 1 + 1e-9
    assert share != 1 or part > 0.5


def test_a_token_may_come_out_of_a_recomputation():
    """Where decoding costs far more than prompts, preemption saves some of it: the work counted is still no more."""
    model = SMALL._replace(base_seconds=1e-9, prefill_seconds=1e-6, sequence_seconds=0.01, context_seconds=0.0)
    trace = trace_of(np.full(60, 1.0), np.ones(60), np.full(60, 60))
    needed = work(trace, model, np.full(60, np.inf), 0)
    busy, preemptions = busy_seconds(model, trace)
    assert preemptions > 0
    assert float((needed.prefill + needed.decode).sum()) <= busy * (1 + 1e-9)


@pytest.mark.parametrize("budget", [16, 8192])
def test_what_the_prefix_cache_holds_is_not_counted(budget):
    """Work is what the tokens computed take: exactly so for one request alone whose prompt is computed at once."""
    model = replica_model("l4-llama-3.1-8b", Serving(max_sequences=8, budget_tokens=budget, square_ms=1e-4))
    trace = trace_of([1.0], [900], [20])._replace(prefix_tokens=np.array([512], np.int32))
    needed = work(trace, model, np.ones(1), 0)
    fleet = SimulatedFleet(model, iter([0.0]))
    fleet.add_requests(trace.arrival_seconds, trace.prompt_tokens, trace.output_tokens, trace.prefix_tokens)
    fleet.scale_to(1, 0.0)
    fleet.advance(1e6)
    total = float((needed.prefill + needed.decode)[0])
    assert total <= fleet.busy_seconds() * (1 + 1e-9)
    assert total == pytest.approx(fleet.busy_seconds(), rel=1e-9 if budget > 900 else 0.01)
    whole = work(trace._replace(prefix_tokens=None), model, np.ones(1), 0)
    assert needed.prefill[0] < 0.6 * whole.prefill[0]


@settings(max_examples=100, deadline=None)
@given(
    case=st.booleans().flatmap(lambda everything: cases(40, everything=everything)),
    objective=st.sampled_from([Objective(0.5, 0.05), Objective(5.0, 0.5), EASY]),
)
def test_lives_hold_what_happened(case, objective):
    """Whatever met the objective was possible, and ran between its release and its deadlines, for as long as said."""
    fleet = case.play(case.fleet())
    results = fleet.results()
    met = attained(results, *objective)
    life = lives(
        trace_of(case.arrivals, case.prompts, case.outputs, case.hits), case.model, objective, 0.0, case.horizon
    )
    first = results.first_token - case.model.front_seconds
    last = results.finish - case.model.front_seconds - case.model.back_seconds
    last -= case.model.token_seconds * results.output_tokens
    assert life.possible[met].all()
    assert (first <= life.prefill_deadline)[met].all()
    assert (last <= life.decode_deadline)[met].all()
    assert (life.decode_release <= first)[met].all()
    assert (life.release + life.service <= last + 1e-6)[met].all()


def test_a_hinge_is_a_line_from_below():
    """At any number of tokens the linear form is no slower than the hinge, and equal to it where it touches."""
    model = replica_model("h100-llama-3.1-8b", Serving(hinge_tokens=128))
    step = slowest_step(model)
    tokens = np.arange(2000)
    hinged = model.base_seconds + model.prefill_seconds * np.maximum(0, tokens - 128)
    line = step.base + step.token * tokens
    assert (line <= hinged + 1e-15).all()
    assert line[128] == pytest.approx(hinged[128])


def requests(seed, count):
    """Return a trace of very unlike requests."""
    random = np.random.default_rng(seed)
    lengths = (np.maximum(1, random.lognormal(mean, 1.5, count)) for mean in (5.0, 3.0))
    return trace_of(np.sort(random.uniform(0, 300, count)), *lengths)


@given(seed=st.integers(0, 1000), windows=st.integers(1, 200))
def test_classes_are_no_harder_than_their_members(seed, windows):
    """No work is lost; at no window more of it is due, or still to come, than of the requests themselves."""
    trace, model, objective = requests(seed, 80), replica_model("l4-llama-3.1-8b"), Objective(2.0, 0.1)
    grid, span = Grid(400 / windows, windows), Span(0.0, 400.0)
    classes = gather(trace, model, objective, span, grid)
    life = lives(trace, model, objective, span.earliest, span.horizon)
    kept = life.possible
    at_most = [work(trace, model, np.ones(80), share) for share in range(SHARES)]
    cost = np.maximum.reduce([part.prefill + part.decode for part in at_most])[kept]
    assert classes.impossible == 80 - kept.sum()
    assert classes.prefill.seconds.sum() + classes.decode.seconds.sum() <= cost.sum() * (1 + 1e-9)
    crowd = place_maxima(trace, model, objective, span, grid)
    alone = [work(trace, model, places(crowd, grid, life), share) for share in range(SHARES)]
    totals = [(part.prefill + part.decode)[kept].sum() for part in alone]
    best = alone[int(np.argmax(totals))]
    for part, seconds, release, deadline in (
        (classes.prefill, best.prefill, life.release, life.prefill_deadline),
        (classes.decode, best.decode, life.decode_release, life.decode_deadline),
    ):
        assert part.seconds.sum() == pytest.approx(seconds[kept].sum())
        for window in range(windows):
            due = seconds[kept][grid.window(deadline[kept]) <= window].sum()
            to_come = seconds[kept][grid.window(release[kept]) >= window].sum()
            assert part.seconds[part.deadline <= window].sum() <= due * (1 + 1e-9)
            assert part.seconds[part.release >= window].sum() <= to_come * (1 + 1e-9)


@given(seed=st.integers(0, 1000), windows=st.integers(1, 100))
def test_places_are_the_crowd_at_its_highest(seed, windows):
    """As many requests may share an iteration as are in the system in the fullest window of a request's life."""
    trace, model, objective = requests(seed, 40), replica_model("l4-llama-3.1-8b"), Objective(2.0, 0.1)
    grid, span = Grid(400 / windows, windows), Span(0.0, 400.0)
    life = lives(trace, model, objective, span.earliest, span.horizon)
    first, last = grid.window(life.release), grid.window(life.decode_deadline)
    crowd = [((first <= window) & (last >= window) & life.possible).sum() for window in range(windows)]
    expected = [max(1, *crowd[one : other + 1]) for one, other in zip(first, last, strict=True)]
    found = places(place_maxima(trace, model, objective, span, grid), grid, life)
    assert found[life.possible].tolist() == np.array(expected)[life.possible].tolist()


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1))
def test_deadlines_are_only_put_off(pairs):
    """Never earlier, by less than an eighth of the time there is, and never beyond the last window."""
    release, lag = np.array(pairs).T
    deadline = np.minimum(release + lag, 400)
    later = put_off(release, deadline, 401)
    assert (deadline <= later).all()
    assert (later - deadline <= np.maximum(0, (deadline - release) / 8)).all()
    assert (later <= 400).all()


@settings(deadline=None, max_examples=60)
@given(
    arrivals=st.lists(st.integers(0, 7), min_size=1, max_size=5).map(sorted),
    wait=st.integers(0, 3),
    cold_start=st.integers(0, 6),
    allowed=st.integers(0, 2),
    manned=st.booleans(),
)
def test_presence_is_below_every_way_to_be_there(arrivals, wait, cold_start, allowed, manned):
    """Of all on-and-off patterns over ten seconds, the cheapest that is there in time is no cheaper."""
    best = np.inf
    for pattern in itertools.product((0, 1), repeat=10):
        on = np.array(pattern)
        there = [on[arrival : arrival + wait + 1].any() for arrival in arrivals]
        if len(arrivals) - sum(there) <= allowed:
            starts = int((np.diff(on, prepend=int(manned)) > 0).sum())
            # one may be there at a moment only: the last instant of a second, or the first
            seconds = sum(max(0, len(list(run)) - 1) for value, run in itertools.groupby(pattern) if value)
            best = min(best, seconds + cold_start * starts)
    calls = Calls(np.array(arrivals, np.float64), np.zeros(len(arrivals)))
    assert presence_seconds(calls, float(wait), float(cold_start), allowed, manned=manned) <= best + 1e-9


def test_presence_is_exact_for_calls_far_apart():
    """Two calls of 3 s, a day apart: two starts and two services, less the wait that each may make use of."""
    calls = Calls(np.array([1000.0, 80000.0]), np.array([3.0, 3.0]))
    assert presence_seconds(calls, 2.0, 80.0, 0, manned=False) == pytest.approx(2 * (80 + 3 - 2))
    assert presence_seconds(calls, 2.0, 80.0, 1, manned=False) == pytest.approx(80 + 3 - 2, rel=1e-3)
    near = Calls(np.array([1000.0, 1050.0]), np.array([3.0, 3.0]))
    assert presence_seconds(near, 2.0, 80.0, 0, manned=False) == pytest.approx(50 + 80 + 3 - 2)
