"""Which share of the requests missed the objective, as far as quantiles and the mean pace tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.observation import SignalRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.observation import Signal
    from autoscaler.rules.arrivals import Bin, Reading

_QUANTILES = (0.9, 0.97, 0.99)
NEEDS = tuple(SignalRequest("timeToFirstToken", quantile) for quantile in _QUANTILES)
_FEWEST_RUNNING = 8.0
"""Fewer requests in flight at the moment of a scrape say little of the pace."""
_NEAR, _SLOPE = 0.9, 2.0
"""A mean pace of 0.9 of the objective is the first sign of misses; at 1.4 of it all miss."""


def missed_share(signals: Mapping[str, Signal], reading: Reading, bin_: Bin, ttft: float, tpot: float) -> float:
    """Return the share of a bin's requests that missed either objective, in seconds each."""
    return max(_late_share(signals, ttft), _slow_share(reading, bin_, tpot))


def _late_share(signals: Mapping[str, Signal], ttft_seconds: float) -> float:
    """Return the share of requests whose first token was late, as far as three quantiles tell."""
    beyond = 1.0
    for request in NEEDS:
        signal = signals.get(request.key)
        if signal is None or signal.value is None:
            return 0.0
        quantile = request.quantile or 0.0
        if signal.value > ttft_seconds:
            return (1.0 - quantile + beyond) / 2.0
        beyond = 1.0 - quantile
    return 0.0


def _slow_share(reading: Reading, bin_: Bin, tpot_seconds: float) -> float:
    """Return the share of requests that decode too slowly, as the mean pace tells.

    By Little's law a token takes running / tokens a second; where that is near the objective, some are beyond it.
    """
    if bin_.output_tokens <= 0.0 or reading.running < _FEWEST_RUNNING:
        return 0.0
    pace_seconds = reading.running * bin_.seconds / bin_.output_tokens
    return min(1.0, max(0.0, (pace_seconds / tpot_seconds - _NEAR) * _SLOPE))
