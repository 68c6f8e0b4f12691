"""Windows of counter totals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.signals.window import MOST_POINTS, Point, Window, extend, increases, span_seconds


def fed(times: list[float], window_seconds: float = 120.0) -> Window:
    """Return a window after a counter that rises by one a second was read at these times."""
    window: Window = ()
    for at in times:
        window = extend(window, Point(at, {"a": at}), window_seconds)
    return window


def test_one_sample_gives_no_increase() -> None:
    """A rate needs two samples: one is unknown, not zero."""
    assert increases(fed([15.0])) is None
    assert span_seconds(fed([15.0])) == 0
    assert increases(()) is None


def test_increase_is_over_the_window_only() -> None:
    """What is older than the window is left out."""
    window = fed([0.0, 60.0, 120.0, 180.0, 200.0])
    assert increases(window) == {"a": 80.0}
    assert span_seconds(window) == 120.0 - 40.0


def test_a_counter_that_appears_rose_from_zero() -> None:
    """A series first used within the window counts with its whole total."""
    window = extend(extend((), Point(0.0, {}), 120), Point(15.0, {"b": 4.0}), 120)
    assert increases(window) == {"b": 4.0}


@pytest.mark.parametrize("at", [15.0, 14.0])
def test_time_that_stands_still_changes_nothing(at: float) -> None:
    """A clock that does not advance adds no point, and divides nothing by zero."""
    window = fed([0.0, 15.0])
    assert extend(window, Point(at, {"a": 99.0}), 120) == window


@given(steps=st.lists(st.floats(0.01, 200), min_size=2, max_size=300))
def test_the_window_is_bounded_and_its_rate_right(steps: list[float]) -> None:
    """However often it is fed, it stays small, covers no more than the window, and a steady rate is that rate."""
    at, times = 0.0, []
    for step in steps:
        at += step
        times.append(at)
    window = fed(times)
    assert len(window) <= 2 * MOST_POINTS + 2
    assert window[-1].at == times[-1]
    assert span_seconds(window) <= 120
    rises = increases(window)
    if rises is not None:
        assert rises["a"] == pytest.approx(span_seconds(window))
    else:
        assert times[-1] - times[-2] > 120


def test_a_window_fed_often_reaches_back_all_the_same() -> None:
    """Thinning drops points between, not the oldest."""
    window = fed([float(second) for second in range(600)])
    assert span_seconds(window) >= 120 - 120 / MOST_POINTS * 2
