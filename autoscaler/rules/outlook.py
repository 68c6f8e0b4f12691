"""Demand one cold start ahead: a regression on its recent past, and headroom as its own errors ask for it.

    x    = [1, mean of a minute, mean of ten minutes, rise · h]
    F    = max(beta · x, minute + rise · h, as far as that is certain)      what demand will be in h seconds
    e    = (y - F made h ago) / sqrt(F + 1)
    need = min(F + max(0, Q) · sqrt(F + 1), 1.25 · max(F, highest demand of late))

Q is the q-quantile of e, weighted by requests and not by time: quiet hours say little of what a burst needs. q moves
with the misses that were seen: `-ln(1 - q) += 0.6 · (misses / usual arrivals - 0.005)`.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.rules.arrivals import BIN_SECONDS
from autoscaler.rules.headroom import recall_errors, store_errors
from autoscaler.rules.regression import Regression
from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory
    from autoscaler.rules.regression import Vector

_MINUTE, _TEN_MINUTES = 4, 40
"""Bins of the short mean and the long one."""
_SLOTS = 128
_HIGHEST_HALF_LIFE_SECONDS = 86400.0
_USUAL_HALF_LIFE_SECONDS = 7200.0
_CAP = 1.25
_CERTAIN = 2.0
"""Standard errors of a rise that do not count: a ramp after calm hours, which taught the regression to distrust all
rises, is still met."""
_Q_LEAST, _Q_FIRST, _Q_MOST = 0.8, 0.9, 0.99
_Q_GAIN, _MISSES_ALLOWED = 0.6, 0.005
_FIRST_ERROR, _FIRST_BINS = 0.5, 20
"""Before any error was seen: as if twenty bins had erred by so much."""


class Load(NamedTuple):
    """One bin as the outlook sees it."""

    at: float
    """Its end, in UTC epoch seconds."""
    seconds: float
    demand: float
    """Fully used replicas."""
    requests: float
    missed: float
    """Of these requests, by what latency showed."""


class Outlook(NamedTuple):
    """What is expected one horizon ahead."""

    forecast: float
    room: float
    need: float
    share: float
    """q: which quantile of the errors the room covers."""
    settled: bool
    """Ten minutes were seen."""


def look_ahead(memory: Memory, load: Load, horizon_seconds: float) -> tuple[Outlook, dict[str, float | str]]:
    """Return the outlook after one more bin, and the entries of the rule's memory that change."""
    history = _history(memory, load.demand)
    x, rise = _features(list(map(float, history.split(","))), horizon_seconds)
    regression = _recall(memory)
    errors = recall_errors(memory)
    usual = _usual(memory, load)
    if not memory.get("outlook.history"):
        errors = errors.learn(_FIRST_ERROR, _FIRST_BINS * load.requests, 0.0)
    place = math.floor(load.at / BIN_SECONDS + 0.25)
    made = _made(memory, place)
    bins = min(_TEN_MINUTES, number(memory, "outlook.bins") + 1)
    if made is not None:
        forecast, then = made
        regression = regression.learn(then, load.demand, load.seconds)
        errors = errors.learn((load.demand - forecast) / math.sqrt(forecast + 1.0), load.requests, load.seconds)
    forecast = max(regression.predict(x), x[1] + rise)
    highest = max(load.demand, number(memory, "outlook.highest") * 0.5 ** (load.seconds / _HIGHEST_HALF_LIFE_SECONDS))
    share = _calibrate(number(memory, "outlook.share", _Q_FIRST), load.missed, usual)
    room = errors.quantile(share) * math.sqrt(forecast + 1.0)
    outlook = Outlook(forecast, room, min(forecast + room, _CAP * max(forecast, highest)), share, bins >= _TEN_MINUTES)
    due = place + max(1, round(horizon_seconds / BIN_SECONDS))
    # what was forecast from less than a few minutes would teach errors that never come again
    slot = {f"outlook.made.{due % _SLOTS}": ",".join(map(repr, (due, forecast, *x)))} if bins >= _MINUTE * 3 else {}
    return outlook, {
        "outlook.history": history,
        "outlook.highest": highest,
        "outlook.share": share,
        "outlook.usual": usual,
        "outlook.bins": bins,
        **slot,
        **dict(zip(_SUMS, regression.sums, strict=True)),
        **store_errors(errors),
    }


def _recall(memory: Memory) -> Regression:
    sums: Any = tuple([memory.get(key, 0.0) for key in _SUMS])
    return Regression(sums)


_SUMS = tuple(f"outlook.sum.{place}" for place in range(14))


def _history(memory: Memory, demand: float) -> str:
    """Return the demand of the last ten minutes' bins, the newest last; a first one stands for all before it."""
    text = memory.get("outlook.history")
    if not isinstance(text, str) or not text:
        return ",".join([repr(demand)] * _TEN_MINUTES)
    return f"{text.partition(',')[2]},{demand!r}"


def _features(history: list[float], horizon_seconds: float) -> tuple[Vector, float]:
    """Return the regressors, and what demand will rise by for certain: the rise beyond twice its own noise.

    The rise is taken over two stretches of half a horizon each, as noise is to its length. Noise is the mean square of
    the steps from bin to bin, half of which is each bin's.
    """
    bins = min(_TEN_MINUTES // 2, max(_MINUTE, round(horizon_seconds / (2.0 * BIN_SECONDS))))
    late, early = math.fsum(history[-bins:]), math.fsum(history[-2 * bins : -bins])
    minute, ten_minutes = math.fsum(history[-_MINUTE:]) / _MINUTE, math.fsum(history) / _TEN_MINUTES
    ahead = horizon_seconds / (bins * BIN_SECONDS)
    rise = (late - early) / bins * ahead
    squares = sum([(new - old) * (new - old) for old, new in itertools.pairwise(history)])
    error = math.sqrt(squares / ((len(history) - 1) * bins)) * ahead
    return (1.0, minute, ten_minutes, rise), max(0.0, rise - _CERTAIN * error)


def _made(memory: Memory, place: int) -> tuple[float, Vector] | None:
    """Return the forecast that was made for this bin, with what it was made from."""
    text = memory.get(f"outlook.made.{place % _SLOTS}")
    if not isinstance(text, str):
        return None
    due, forecast, x0, x1, x2, x3 = map(float, text.split(","))
    return (forecast, (x0, x1, x2, x3)) if due == place else None


def _usual(memory: Memory, load: Load) -> float:
    """Return the usual requests a bin; at first those of the first bin."""
    before = number(memory, "outlook.usual", load.requests)
    weight = math.pow(0.5, load.seconds / _USUAL_HALF_LIFE_SECONDS)
    return before * weight + load.requests * (1.0 - weight)


def _calibrate(share: float, missed: float, usual: float) -> float:
    if usual <= 0.0:
        return share
    level = -math.log(1.0 - share) + _Q_GAIN * (min(1.0, missed / usual) - _MISSES_ALLOWED)
    return min(_Q_MOST, max(_Q_LEAST, 1.0 - math.exp(-level)))
