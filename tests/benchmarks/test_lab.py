"""The laboratory: parts are really taken out of the rule and put back, and its tables say what was run."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.rules import capacity, outlook
from autoscaler.rules.usable import Replica
from autoscaler.traces.trace import Trace
from benchmarks.lab import ablation, robustness
from benchmarks.lab.scenes import H100, staged

SECONDS = 1800.0


def lengths() -> Trace:
    """Return four requests of chat lengths, for drawing from."""
    at, prompt, output = np.arange(4.0), np.array([400, 900, 1300, 2000]), np.array([80, 150, 250, 360])
    return Trace("chat", at, prompt, output)


def rising(seed: int = 0):
    """Return half an hour of chat that triples from the sixteenth to the twentieth minute."""
    random = np.random.default_rng(seed)
    seconds = np.arange(SECONDS)
    rates = 30.0 * np.interp(seconds, [0, 960, 1200], [1, 1, 3])
    counts = random.poisson(rates)
    drawn = random.integers(0, 4, int(counts.sum()))
    arrivals = np.sort(np.repeat(seconds, counts) + random.random(len(drawn)))
    chat = lengths()
    return staged("poisson", Trace("chat", arrivals, chat.prompt_tokens[drawn], chat.output_tokens[drawn]), seed, 80.0)


@pytest.fixture(scope="module")
def whole():
    """Return the figures of the rule as it is."""
    return ablation.play(rising(), ablation.VARIANTS["the rule as it is"])


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_every_variant_runs_and_leaves_the_rule_as_it_was(name, whole):
    """A part that is taken out is back afterwards: the whole rule's figures are the same again."""
    place, variant = rising(), ablation.VARIANTS[name]
    before = [getattr(owner, attribute) for owner, attribute, _ in variant.patches]
    found = ablation.play(place, variant)
    assert [getattr(owner, attribute) for owner, attribute, _ in variant.patches] == before
    assert 0.0 < found.attainment <= 1.0
    assert found.gpu_hours > 0.0
    assert ablation.play(place, ablation.VARIANTS["the rule as it is"]) == whole


@pytest.mark.parametrize(
    "name",
    [
        "no headroom from errors",
        "no forecast: present demand with headroom",
        "pace not learned, right preset",
        "usable share 0.95 (1 - a/s), not the fit",
        "starting replicas not counted",
        "with one spare replica",
    ],
)
def test_a_variant_is_another_rule(name, whole):
    """What is patched is what the rule calls: on a ramp the variant spends otherwise than the whole rule."""
    assert ablation.play(rising(), ablation.VARIANTS[name]).gpu_hours != whole.gpu_hours


def test_replicas_that_are_ordered_again_cost_more(whole):
    """A rule that forgets what is on its way orders it anew at each tick."""
    assert ablation.play(rising(), ablation.VARIANTS["starting replicas not counted"]).gpu_hours > whole.gpu_hours


def test_patched_names_exist():
    """No variant patches a name that the rule has not: it would be created, and change nothing."""
    for variant in (ablation.VARIANTS | ablation.WRONG_PRESET).values():
        assert all(hasattr(owner, attribute) for owner, attribute, _ in variant.patches)
    assert capacity.hold is not None
    assert outlook._Q_GAIN > 0.0


def test_the_8b_preset_on_70b_is_another_rule():
    """The rows on a wrong preset differ from each other in nothing but the pace."""
    told, untold = list(ablation.WRONG_PRESET.values())[2:]
    assert told.changes == untold.changes == {"preset": H100}
    assert untold.patches
    assert not told.patches


def test_iteration_times_are_off_by_what_is_said():
    """A tenth more of the base is a tenth of the base, and of nothing else."""
    right, off = robustness.iteration(H100, 1.0, 1.0), robustness.iteration(H100, 1.1, 1.0)
    assert off["baseMs"] == pytest.approx(1.1 * right["baseMs"])
    assert {**off, "baseMs": 0} == {**right, "baseMs": 0}


def test_a_load_fills_its_replicas_to_the_usable_share():
    """Four replicas' rate times a request's work is four times the usable share of four."""
    replica = robustness.full_replica(lengths())
    rate = robustness.rate_of(replica, 4.0)
    assert rate * replica.work_seconds / 4.0 == pytest.approx(replica.usable(4.0))
    assert isinstance(replica, Replica)


def test_a_constant_load_ends_with_its_trace():
    """The run ends with the last arrival, for a fleet without traffic would be lowered; the rate is the stated one."""
    place = robustness.steady(lengths(), 1.5, seed=1, seconds=1200.0)
    assert place.course.horizon_seconds == pytest.approx(place.trace.duration_seconds, abs=1.0)
    rate = len(place.trace.arrival_seconds) / place.trace.duration_seconds
    assert rate == pytest.approx(robustness.rate_of(robustness.full_replica(lengths()), 1.5), rel=0.05)
    assert place.course.initial_replicas == 3


def test_a_decision_costs_time():
    """The rule's time is measured on all that a run showed it, and the best round is not above the median."""
    best, median, decisions = robustness.microseconds(rising(), rounds=3)
    assert 0.0 < best <= median
    assert decisions >= SECONDS / 15.0 - 2


def test_a_run_without_an_action_is_quiet():
    """One run of two without an action, and the most of any."""
    one = robustness.Figures(0.99, 1.0, 0)
    assert robustness.quiet([one, one._replace(attainment=1.0, actions=3)]) == ["0.9950", "0.9900", "1 of 2", 3]
