from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.rules.headroom import BINS, Errors, bin_of, recall_errors, store_errors
from autoscaler.rules.outlook import Load, look_ahead
from autoscaler.rules.regression import PRIOR, Regression

SECONDS = 15.0


def run(demands, horizon_seconds=90.0, missed=0.0, decoding_seconds=10.0):
    """Return the last outlook of one bin after another."""
    memory = {}
    for number, demand in enumerate(demands):
        now_missed = missed[number] if isinstance(missed, list) else missed
        load = Load(SECONDS * (number + 1), SECONDS, demand, 100.0, now_missed, decoding_seconds)
        outlook, changed = look_ahead(memory, load, horizon_seconds)
        memory = {**memory, **changed}
    return outlook, memory


def test_constant_demand_is_forecast_as_it_is():
    """An hour of 5 replicas: a forecast of 5, and little room."""
    outlook, _ = run([5.0] * 2000)
    assert outlook.forecast == pytest.approx(5.0, rel=0.01)
    assert outlook.need - outlook.forecast < 0.3
    assert outlook.present == pytest.approx(outlook.need, rel=0.01)


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
    """It begins at its least, four fifths; 0.99 where half of all requests miss; hours without a miss bring it back."""
    first, _ = run([5.0])
    calm, _ = run([5.0] * 100)
    hurt, _ = run([5.0] * 100, missed=50.0)
    healed, _ = run([5.0] * 1300, missed=[50.0] * 100 + [0.0] * 1200)
    assert first.share == calm.share == pytest.approx(0.8)
    assert hurt.share == pytest.approx(0.99)
    assert healed.share == pytest.approx(0.8)


def test_one_miss_in_two_hundred_leaves_the_share_where_it_is():
    """Half a percent is what is allowed: fewer misses lower the share that is covered, more raise it."""
    before, _ = run([5.0] * 10, missed=10.0)
    shares = [run([5.0] * 30, missed=[10.0] * 10 + [missed] * 20)[0].share for missed in (0.2, 0.5, 0.8)]
    assert shares[0] < shares[1] < shares[2]
    assert shares[1] == pytest.approx(before.share)


def test_a_longer_cold_start_covers_more_of_its_errors():
    """A miss lasts as long as a start: calm hours lower the share less for 300 s than for 80 s."""
    assert run([5.0] * 400, 80.0)[0].share < run([5.0] * 400, 300.0)[0].share


def test_a_long_cold_start_keeps_room_however_calm_it_was():
    """Nothing at a horizon of 80 s, a seventh of the demand at 330 s: no calm hour tells of the crowd to come."""
    assert run([5.0] * 2000, 80.0)[0].need == pytest.approx(5.0, rel=0.02)
    assert run([5.0] * 2000, 330.0)[0].need == pytest.approx(5.735, rel=0.01)


def test_what_is_needed_is_more_than_what_is_forecast_and_covers_noise():
    """Demand that jumps about its mean by a half: the need lies above nine tenths of what comes."""
    random.seed(3)
    demands = [5.0 + random.uniform(-2.5, 2.5) for _ in range(2000)]
    outlook, _ = run(demands, decoding_seconds=1.0)
    assert outlook.forecast == pytest.approx(5.0, abs=0.7)
    assert outlook.need > sorted(demands)[int(0.7 * len(demands))]


def test_the_room_covers_what_comes_above_the_forecast():
    """Seldom peaks of 6 above the rest take more room than seldom dips of 6 below it, which hurt nobody."""
    random.seed(4)
    seldom = [random.random() < 0.3 for _ in range(2000)]
    peaks, _ = run([10.0 if one else 4.0 for one in seldom], decoding_seconds=1.0)
    dips, _ = run([4.0 if one else 10.0 for one in seldom], decoding_seconds=1.0)
    assert peaks.need - peaks.forecast > 1.3 * (dips.need - dips.forecast) > 0.0


@pytest.mark.parametrize(("place", "counts"), [(99, True), (101, False)])
def test_a_minutes_mean_is_held_against_the_forecast_for_its_middle(place, counts):
    """Of long answers the last four bins are one: the forecast for its middle is judged."""
    _, memory = run([5.0] * 100, decoding_seconds=60.0)
    memory = {**memory, f"outlook.made.{place}": f"{place},1.0,1.0,5.0,5.0,0.0"}
    _, changed = look_ahead(memory, Load(SECONDS * 101, SECONDS, 5.0, 100.0, 0.0, 60.0), 90.0)
    assert (recall_errors({**memory, **changed}).quantile(0.999) > 2.0) is counts


def test_noise_evens_out_while_long_answers_decode():
    """The same noise asks for less room where a request decodes for a minute than where it decodes for a second."""
    random.seed(3)
    demands = [5.0 + random.uniform(-2.5, 2.5) for _ in range(2000)]
    brief, long = (run(demands, decoding_seconds=seconds)[0] for seconds in (1.0, 60.0))
    assert long.need - long.forecast < 0.7 * (brief.need - brief.forecast)


@pytest.mark.parametrize("horizon_seconds", [95.0, 315.0])
def test_a_ramp_that_doubles_in_ten_minutes_is_seen_before_a_quarter_of_it(horizon_seconds):
    """After an hour of calm the need has risen by more than demand before demand has grown by a quarter."""
    before, memory = run([8.0] * 240, horizon_seconds)
    for number in range(1, 11):
        load = Load(SECONDS * (240 + number), SECONDS, 8.0 * (1.0 + number / 40.0), 100.0, 0.0, 10.0)
        outlook, changed = look_ahead(memory, load, horizon_seconds)
        memory = {**memory, **changed}
    assert load.demand == pytest.approx(10.0)
    assert outlook.forecast > load.demand
    assert outlook.forecast - before.forecast > 1.2 * 2.0


def test_a_ramp_that_has_ended_is_not_carried_on():
    """Ten minutes after it became flat again, the forecast is the new level."""
    demands = [5.0] * 240 + [5.0 + number / 8.0 for number in range(40)] + [10.0] * 80
    outlook, _ = run(demands)
    assert outlook.forecast == pytest.approx(10.0, rel=0.04)


def test_a_fall_is_no_reason_to_expect_less_than_the_present():
    """What falls may rise again: nothing is taken off the mean of the last minute for a fall."""
    demands = [10.0] * 240 + [10.0 - number / 8.0 for number in range(40)]
    outlook, _ = run(demands)
    assert outlook.forecast >= sum(demands[-4:]) / 4.0 - 1e-9


def test_nothing_is_settled_before_seven_minutes():
    """28 bins of a quarter of a minute: before them nothing is lowered."""
    assert not run([5.0] * 27)[0].settled
    assert run([5.0] * 28)[0].settled


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(15, 3600))
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
        errors = errors.learn(value, 100.0, SECONDS / 3600.0)
    assert errors.quantile(0.99) < 0.2
    assert all(math.isfinite(weight) for weight in errors.bins)


def test_errors_keep_their_weight_when_they_are_scaled_back():
    """The growing weight is taken back now and then, which changes no quantile."""
    errors = Errors((0.0,) * 10 + (5.0,) + (0.0,) * (BINS - 11), 1e6)
    assert errors.learn(0.0, 0.0, 0.01).quantile(0.5) == pytest.approx(errors.quantile(0.5))


def test_errors_survive_a_memory():
    """As entries of a mapping and back."""
    errors = Errors().learn(1.0, 3.0, 0.01).learn(0.1, 2.0, 0.01)
    assert recall_errors(json.loads(json.dumps(store_errors(errors)))) == errors


@pytest.mark.parametrize(("error", "place"), [(-5.0, 0), (0.02, 0), (0.0201, 1), (1e9, BINS - 1)])
def test_bins(error, place):
    """All small and negative errors in the first one, all huge ones in the last."""
    assert bin_of(error) == place
