"""How slow replicas really are: from exact readings of known truth, and from the simulator under a wrong preset."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.rules.arrivals import Bin
from autoscaler.rules.capacity import Capacity
from autoscaler.rules.iteration import Iteration
from autoscaler.rules.pace import Pace, observe
from autoscaler.rules.replica_presets import PRESETS
from autoscaler.rules.work import Coefficients, Lengths
from tests.rules.builders import fleet
from tests.rules.plays import H100, H100_70B, play, waving

SECONDS = 15.0
STATED = Coefficients(0.00642, 19.6e-6, 4e-6, 5e-8)
PROMPT, OUTPUT = 1000.0, 200.0
LENGTHS = Lengths(1000.0, 1000.0 * PROMPT, 1000.0 * OUTPUT, 100.0)


def true_bin(slow, ready=4, share=0.6, output=OUTPUT, prompt=PROMPT):
    """Return what a quarter of a minute shows of replicas that are `slow` times as slow, each filled to `share`.

    From what a replica does: of each second it iterates, and each iteration takes the true base and its true work.
    """
    request_seconds = slow * STATED.work_seconds(prompt, output)
    requests_a_second = share * ready / request_seconds
    token_seconds = slow * STATED.base_seconds / (1.0 - share)
    running = requests_a_second * output * token_seconds
    requests = requests_a_second * SECONDS
    return Bin(SECONDS, requests, requests, requests * prompt, requests * output, running)


def learned(bins, ready=4, lengths=LENGTHS, memory=None, known=True):
    """Return the slowness after these bins, and the memory."""
    memory = memory or {}
    slowness = 1.0
    for bin_ in bins:
        slowness, changed = observe(memory, bin_, fleet(ready, known=known), STATED, lengths)
        memory = {**memory, **changed}
    return slowness, memory


@pytest.mark.parametrize("slow", [0.5, 1.0, 2.6])
@pytest.mark.parametrize("share", [0.5, 0.85])
def test_exact_readings_teach_the_truth(slow, share):
    """Replicas half, just or 2.6 times as slow as stated: an hour of readings says so, at any load."""
    assert learned([true_bin(slow, share=share)] * 240)[0] == pytest.approx(slow, rel=0.03)


def test_five_minutes_teach_most_of_it():
    """A wrong preset is found out within minutes of load: three quarters of 2.6 after five."""
    assert learned([true_bin(2.6)] * 20)[0] > 1.0 + 0.75 * 1.6


def test_what_was_learned_is_forgotten():
    """Replicas that were 2.6 times as slow and are right now: after two hours the old time is gone."""
    _, memory = learned([true_bin(2.6)] * 240)
    assert learned([true_bin(1.0)] * 480, memory=memory)[0] == pytest.approx(1.0, rel=0.03)


def test_half_of_it_is_forgotten_in_a_quarter_of_an_hour():
    """Fifteen minutes after the change, old and new weigh the same."""
    _, memory = learned([true_bin(2.0)] * 960)
    half = learned([true_bin(1.0)] * 60, memory=memory)[0]
    assert 1.25 < half < 1.45


@pytest.mark.parametrize(("slow", "bound"), [(1000.0, 8.0), (1e-4, 1.0 / 8.0)])
def test_no_more_than_eight_times(slow, bound):
    """Whatever the readings say, replicas are taken for at most eight times slower or faster than stated."""
    assert learned([true_bin(slow, ready=400)._replace(running=4000.0)] * 500, ready=400)[0] == pytest.approx(bound)


def test_nothing_is_learned_while_ready_changes():
    """A replica that came or went makes tokens and requests in flight belong to different fleets."""
    memory = {}
    for place in range(40):
        ready = 4 + place % 2
        slowness, changed = observe(memory, true_bin(2.6, ready), fleet(ready), STATED, LENGTHS)
        memory = {**memory, **changed}
    assert slowness == 1.0


def test_the_first_bin_of_a_fleet_teaches_nothing():
    """How many were ready in the bin before is not known yet."""
    assert learned([true_bin(2.6)])[0] == 1.0
    assert learned([true_bin(2.6)] * 2)[0] > 1.05


@pytest.mark.parametrize(("a_replica", "learns"), [(7.9, False), (8.1, True)])
def test_nothing_is_learned_with_fewer_than_eight_running_a_replica(a_replica, learns):
    """Then some replica may idle, and tokens a second say nothing of how fast it could."""
    bin_ = true_bin(2.6)._replace(running=4 * a_replica)
    assert (learned([bin_] * 40)[0] != 1.0) is learns


@pytest.mark.parametrize(("output", "learns"), [(200.0, True), (30.0, False)])
def test_nothing_is_learned_with_prompts_that_weigh_much(output, learns):
    """Answers of 30 tokens to prompts of 1,000, as in code completion: a running request need not be decoding."""
    lengths = Lengths(1000.0, 1000.0 * PROMPT, 1000.0 * output, 100.0)
    bin_ = true_bin(2.6, share=0.8, output=output)._replace(running=100.0)
    assert (learned([bin_] * 40, lengths=lengths)[0] != 1.0) is learns


@pytest.mark.parametrize(("ready", "known"), [(0, True), (4, False)])
def test_nothing_is_learned_of_an_unknown_fleet(ready, known):
    """Without a ready replica, or while pods could not be listed."""
    assert learned([true_bin(2.6)] * 40, ready=ready, known=known)[0] == 1.0


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e6))
def test_slowness_is_bounded_whatever_was_learned(real, modelled, seconds):
    """Between an eighth and eight."""
    assert 1 / 8 <= Pace().learn(real, modelled, seconds).slowness <= 8.0


def test_memory_is_three_numbers():
    """Two sums and the count of ready replicas, whatever was seen."""
    _, memory = learned([true_bin(2.6)] * 40)
    assert json.loads(json.dumps(memory)) == memory
    assert sorted(memory) == ["pace.modelled_seconds", "pace.ready", "pace.real_seconds"]


@pytest.fixture(scope="module")
def slow_replicas():
    """A 70B's replicas under forty minutes of chat, sized by their own preset and by an 8B's."""
    traffic = waving(14.0, 2400.0, 0)
    return [
        play(H100_70B, traffic, 3, rule=Capacity(preset=preset, tpot_seconds=0.1), tpot_seconds=0.1)
        for preset in (H100_70B, H100)
    ]


def test_a_wrong_preset_still_serves(slow_replicas):
    """An 8B's coefficients on a 70B, which are 2.6 times too fast: at least 95 % within the objective."""
    assert slow_replicas[1].attainment >= 0.95


def test_a_wrong_preset_is_not_far_dearer(slow_replicas):
    """Nor much cheaper, which would be the misses: within a sixth of what the right preset takes."""
    right, wrong = slow_replicas
    assert right.attainment >= 0.99
    assert wrong.replica_hours == pytest.approx(right.replica_hours, rel=0.17)


@pytest.mark.parametrize(("base", "work"), [(1.1, 1.0), (0.9, 1.0), (1.0, 1.1), (1.0, 0.9)])
def test_a_tenth_of_error_in_a_coefficient_costs_little(base, work):
    """Base or work a tenth too high or too low: at least 97 % within the objective, at 40 to 120 requests/s."""
    of = PRESETS[H100]
    stated = Iteration(
        base_ms=of.base_ms * base,
        prompt_token_ms=of.prefill_ms * work,
        sequence_ms=of.sequence_ms * work,
        context_token_ms=of.context_ms * work,
    )
    assert play(H100, waving(80.0, 1500.0, 0), 5, rule=Capacity(iteration=stated)).attainment >= 0.97
