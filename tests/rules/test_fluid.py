from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.rules import tape
from autoscaler.rules.fluid import available, missed_share, shape, unevenness

needs = st.floats(0.0, 5000.0)
counts = st.integers(0, 4000)


@given(st.lists(st.tuples(needs, counts), max_size=40))
def test_a_tape_gives_back_what_was_written(bins):
    """Needs to 0.8 %, counts exactly below 300 and to 0.4 % above; also after a journey through JSON."""
    text = ""
    for need, count in bins:
        text = tape.write(text, tape.Bin(need, count))
    assert json.loads(json.dumps(text)) == text
    read_needs, read_counts = tape.read(text)
    assert len(read_needs) == len(read_counts) == tape.bins(text) == len(bins)
    for (need, count), read_need, read_count in zip(bins, read_needs, read_counts, strict=True):
        assert read_need == pytest.approx(need, rel=0.008, abs=0.01)
        assert read_count == count if count < 300 else read_count == pytest.approx(count, rel=0.005)


def test_a_tape_holds_a_day_and_no_more():
    """The oldest bins go, and a day of them is 17 KB however it is escaped."""
    text = ""
    for number in range(6000):
        text = tape.write(text, tape.Bin(number / 10.0, number % 7))
    assert tape.bins(text) == 24 * 240
    assert len(json.dumps(text)) == 24 * 240 * 3 + 2
    assert tape.read(text)[1][-1] == 5999 % 7
    assert tape.read(tape.write(text, tape.Bin(1.0, 9), 10_000))[1] == [9] * 5760


@pytest.mark.parametrize("text", ["ab", "ab\n", "a<b"])
def test_what_is_no_tape_is_refused(text):
    """Cut off, or with a sign of another alphabet."""
    with pytest.raises(ValueError, match="not a tape"):
        tape.read(text)


@pytest.mark.parametrize(
    ("startup_seconds", "ready"),
    [(0.0, [2, 5, 5, 5, 1, 4]), (15.0, [2, 2, 5, 5, 1, 1]), (40.0, [2, 2, 2, 2, 1, 1]), (9999.0, [2, 2, 2, 2, 1, 1])],
)
def test_a_rise_takes_a_cold_start_and_a_fall_none(startup_seconds, ready):
    """What was asked for and is let go before it was ready never was."""
    assert available([2, 5, 5, 5, 1, 4], startup_seconds) == ready


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 400))
def test_the_least_of_the_last_cold_start_is_ready(asked, startup_seconds):
    """The doubling gives what looking at each window gives."""
    bins = min(len(asked), -(-startup_seconds // 15))
    expected = [
        min([asked[0]] * (bins - place) + asked[max(0, place - bins) : place + 1]) for place in range(len(asked))
    ]
    assert available(asked, startup_seconds) == expected


def test_demand_that_fits_misses_nothing():
    """To the edge: a need of four on four replicas."""
    assert missed_share([4.0] * 10, [4] * 10, (1.0,), 2.0) == 0.0


def test_a_burst_misses_what_waits_for_too_long():
    """Worked: 8 for 15 s on 4 leaves a wait that grows to 15 s; past 2 s of it, 13/15 miss, and so do those after."""
    assert missed_share([8.0], [4], (1.0,), 2.0) == pytest.approx(13 / 15)
    # then 15 s of wait fall to 3.75 s under a need of 1, all of it beyond 2 s, and to nothing after that
    assert missed_share([8.0, 1.0, 1.0], [4, 4, 4], (1.0,), 2.0) == pytest.approx(
        (8 * 13 / 15 + 1 + 1 * 1.75 / 3.75) / 10
    )


def test_nobody_is_served_by_nothing():
    """Without a replica everybody misses; without demand nobody does."""
    assert missed_share([1.0, 2.0], [0, 0], (1.0,), 2.0) == 1.0
    assert missed_share([0.0, 0.0], [0, 0], (1.0,), 2.0) == 0.0


@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=60), st.integers(0, 40), st.floats(0.5, 1.0))
def test_a_higher_count_never_misses_more(needed, count, share):
    """What bisecting rests on, exact but for clients who leave a fleet that grows; and a share stays one."""
    slots, nobody = shape(share, 2.0), [0] * len(needed)
    low, high = (missed_share(needed, nobody, slots, 2.0, floor) for floor in (count, count + 1))
    assert 0.0 <= high <= low + 1e-9 <= 1.0 + 1e-6


def test_a_cascade_keeps_the_mean():
    """Slots no longer than the wait allowed, as many times the mean as each share of each half says."""
    slots = shape(0.73, 2.0)
    assert len(slots) == 8
    assert sum(slots) == pytest.approx(8.0)
    assert max(slots) == pytest.approx(1.46**3)
    assert shape(0.73, 20.0) == (1.0,)
    assert shape(0.5, 2.0) == (1.0,) * 8


def test_poisson_noise_is_not_uneven_and_bursts_are():
    """Every other bin empty is as uneven as can be; the same in each is even; two requests a bin say nothing."""
    assert unevenness([4.0, 0.0] * 50, 1000.0) == pytest.approx(1.0, abs=0.01)
    assert unevenness([4.0] * 50, 1000.0) == 0.5
    assert unevenness([4.0, 0.0] * 50, 0.25) < 0.7
    assert unevenness([], 1.0) == 0.5
