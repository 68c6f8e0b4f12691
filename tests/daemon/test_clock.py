"""The clock: never back, steps found, ages right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.daemon.clock import STEP_SECONDS, ScaledClock, SystemClock


def system(clock):
    """The machine's clock, on the test's."""
    return SystemClock(clock.time, clock.monotonic)


def test_agrees_with_the_wall_clock(clock):
    """While nobody sets the wall clock, `now` is its time and no step is seen."""
    ours = system(clock)
    for _ in range(3):
        clock.advance(15)
        assert ours.read() == (clock.time(), 0.0, 0.0)


@pytest.mark.parametrize("seconds", [STEP_SECONDS, -STEP_SECONDS, 0.5, -0.5])
def test_small_corrections_are_no_step(clock, seconds):
    """A wall clock that is off by five seconds or less was disciplined, not set."""
    ours = system(clock)
    clock.advance(15)
    clock.step(seconds)
    assert ours.read().step_seconds == 0.0


def test_forward_step(clock):
    """After a step forward the new time holds at once, and the step is told."""
    ours = system(clock)
    clock.advance(15)
    clock.step(3600)
    reading = ours.read()
    assert reading.now == reading.wall == clock.time()
    assert reading.step_seconds == pytest.approx(3600)


def test_backward_step_does_not_turn_time_back(clock):
    """After a step back, `now` goes on at the monotonic pace, and knows how far it is ahead."""
    ours = system(clock)
    before = ours.read().now
    clock.advance(15)
    clock.step(-3600)
    reading = ours.read()
    assert reading.now == pytest.approx(before + 15)
    assert reading.ahead_seconds == pytest.approx(3600)
    assert reading.wall == pytest.approx(clock.time())
    assert reading.step_seconds == pytest.approx(-3600)
    clock.advance(15)
    after = ours.read()
    assert after.now == pytest.approx(before + 30)
    assert after.step_seconds == 0.0


def test_a_step_there_and_back_again_leaves_nothing(clock):
    """When the wall clock is set right again, it is believed again."""
    ours = system(clock)
    clock.step(-3600)
    ours.read()
    clock.advance(15)
    clock.step(3600)
    reading = ours.read()
    assert reading.ahead_seconds == pytest.approx(0, abs=1e-6)
    assert reading.step_seconds == pytest.approx(3600)


def test_a_suspended_machine_counts_as_a_step(clock):
    """While the machine sleeps the wall clock goes on and the monotonic one does not: history is void."""
    ours = system(clock)
    clock.step(8 * 3600)
    assert ours.read().step_seconds == pytest.approx(8 * 3600)


@given(moves=st.lists(st.tuples(st.floats(0, 100), st.floats(-10_000, 10_000)), max_size=30))
def test_never_goes_back(moves):
    """Whatever is done to the wall clock, no reading is before the one before it."""
    wall, elapsed = 1e9, 0.0
    ours = SystemClock(lambda: wall, lambda: elapsed)
    last = ours.read().now
    for passed, set_by in moves:
        elapsed += passed
        wall += passed + set_by
        reading = ours.read()
        assert reading.now >= last
        assert reading.ahead_seconds >= 0
        last = reading.now


def test_scaled_clock_runs_faster(clock):
    """A clock of speed 30 lets half a second be a tick's 15, and cannot be set."""
    ours = ScaledClock(30.0, clock.time, clock.monotonic)
    start = ours.read().now
    clock.advance(0.5)
    clock.step(-7200)
    assert ours.read() == (start + 15.0, 0.0, 0.0)
