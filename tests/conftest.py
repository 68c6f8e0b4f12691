"""What every test may use: how thorough Hypothesis is, and a clock that only the test moves."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# machines are shared and loops get compiled in the first example: a test that is slow is not a test that fails
_QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=50, **_QUIET)
settings.register_profile("ci", max_examples=200, derandomize=True, **_QUIET)
settings.register_profile("thorough", max_examples=10_000, **_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


class FakeClock:
    """Wall time in UTC epoch seconds and monotonic time in seconds, both moved by the test alone."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.elapsed = 0.0

    def time(self) -> float:
        """Return the wall time, as `time.time` would."""
        return self.now

    def monotonic(self) -> float:
        """Return the monotonic time, as `time.monotonic` would."""
        return self.elapsed

    def advance(self, seconds: float) -> float:
        """Let time pass on both clocks, and return the wall time."""
        self.elapsed += seconds
        self.now += seconds
        return self.now

    def step(self, seconds: float) -> float:
        """Set the wall clock forth or back without any time passing, and return it."""
        self.now += seconds
        return self.now

    def sleep(self, seconds: float) -> None:
        """Pass the time at once, as `time.sleep` would slowly."""
        self.advance(seconds)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()
