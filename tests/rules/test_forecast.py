from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.rules.headroom import BINS, Errors, bin_of, recall_errors, store_errors
from autoscaler.rules.hold import hold
from autoscaler.rules.outlook import Load, look_ahead
from autoscaler.rules.regression import PRIOR, Regression

SECONDS = 15.0


def run(demands, horizon_seconds=90.0, missed=0.0):
    """Return the last outlook of one bin after another."""
    memory = {}
    for number, demand in enumerate(demands):
        load = Load(SECONDS * (number + 1), SECONDS, demand, 100.0, missed)
        outlook, changed = look_ahead(memory, load, horizon_seconds)
        memory = {**memory, **changed}
    return outlook, memory


def test_constant_demand_is_forecast_as_it_is():
    """An hour of 5 replicas: a forecast of 5, and little room."""
    outlook, _ = run([5.0] * 2000)
    assert outlook.forecast == pytest.approx(5.0, rel=0.01)
    assert outlook.room < 0.3


def test_a_ramp_is_met_where_it_will_be():
    """Demand that rises by a replica every five minutes is forecast ahead of what is seen."""
    demands = [1.0 + number * SECONDS / 300.0 for number in range(400)]
    outlook, _ = run(demands, horizon_seconds=300.0)
    assert outlook.forecast == pytest.approx(demands[-1] + 1.0, abs=0.25)


def test_nothing_is_asked_beyond_a_quarter_above_the_highest():
    """However bad the errors are: 1.25 times the highest demand."""
    random.seed(1)
    demands = [random.choice([0.1, 8.0]) for _ in range(500)]
    outlook, _ = run(demands)
    assert outlook.need <= 1.25 * max(8.0, outlook.forecast) + 1e-9


def test_misses_raise_the_share_of_errors_that_is_covered_and_their_absence_lowers_it():
    """Within its limits."""
    calm, _ = run([5.0] * 100)
    hurt, _ = run([5.0] * 100, missed=50.0)
    assert 0.8 <= calm.share < 0.9 < hurt.share <= 0.99


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0, 3600))
def test_an_outlook_is_always_a_number(demands, horizon_seconds):
    """Whatever demand does: finite, not negative, and the memory is JSON."""
    outlook, memory = run(demands, horizon_seconds)
    assert all(math.isfinite(value) and value >= 0 for value in outlook)
    json.dumps(memory, allow_nan=False)


def test_a_regression_without_data_is_its_prior():
    """Nothing seen: the mean of a minute counts 0.7, that of ten minutes 0.3, the rise by half."""
    assert Regression().coefficients() == PRIOR


def test_a_regression_finds_what_is_there():
    """Seen often enough: 1 + 2·x1 - x3."""
    random.seed(2)
    regression = Regression()
    for _ in range(3000):
        x = (1.0, random.uniform(0, 5), random.uniform(0, 5), random.uniform(-2, 2))
        regression = regression.learn(x, 1 + 2 * x[1] - x[3], SECONDS)
    assert regression.coefficients() == pytest.approx((1.0, 2.0, 0.0, -1.0), abs=0.1)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=200), st.floats(0.5, 0.99))
def test_the_quantile_of_errors_is_right_within_a_bin(values, share):
    """At most a bin, ten percent, from the quantile of the plain list."""
    errors = Errors()
    for value in values:
        errors = errors.learn(value, 1.0, 0.0)
    found = errors.quantile(share)
    beyond = sum(value > found * 1.1 + 0.03 for value in values) / len(values)
    below = sum(value < found / 1.1 - 0.03 for value in values) / len(values)
    assert beyond <= 1 - share + 1e-9
    assert below <= share + 1e-9


def test_old_errors_are_forgotten():
    """After a day of small errors the large ones of the day before say nothing."""
    errors = Errors()
    for value in [10.0] * 100 + [0.1] * 5760:
        errors = errors.learn(value, 100.0, SECONDS)
    assert errors.quantile(0.99) < 0.2
    assert all(math.isfinite(weight) for weight in errors.bins)


def test_errors_keep_their_weight_when_they_are_scaled_back():
    """The growing weight is taken back now and then, which changes no quantile."""
    errors = Errors((0.0,) * 10 + (5.0,) + (0.0,) * (BINS - 11), 1e6)
    assert errors.learn(0.0, 0.0, SECONDS).quantile(0.5) == pytest.approx(errors.quantile(0.5))


def test_errors_survive_a_memory():
    """As entries of a mapping and back."""
    errors = Errors().learn(1.0, 3.0, SECONDS).learn(0.1, 2.0, SECONDS)
    assert recall_errors(json.loads(json.dumps(store_errors(errors)))) == errors


@pytest.mark.parametrize(("error", "place"), [(-5.0, 0), (0.02, 0), (0.0201, 1), (1e9, BINS - 1)])
def test_bins(error, place):
    """All small and negative errors in the first one, all huge ones in the last."""
    assert bin_of(error) == place


@given(st.lists(st.integers(0, 50), min_size=1, max_size=80), st.integers(1, 20))
def test_what_is_held_is_the_highest_of_the_window(counts, window):
    """As a plain list would say, with fewer entries."""
    memory = {}
    for at, count in enumerate(counts):
        held, changed = hold(memory, count, float(window), float(at))
        memory = {**memory, **changed}
        assert held == max(counts[max(0, at - window) : at + 1])
    assert len(memory["held"].split(",")) <= window + 1
