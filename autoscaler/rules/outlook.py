"""Demand one cold start ahead: a regression on its recent past, and headroom as its own errors ask for it.

    x    = [1, mean of a minute, mean of ten minutes, rise · h]
    F    = max(beta · x, minute + rise · h, as far as that is certain)      what demand will be in h seconds
    e    = (mean of y's last bins - F made h ago) / sqrt(F + 1)
    need = min(F + Q · sqrt(F + 1), 1.25 · max(F, highest demand of late)), but at least minute · (1 + least room)

Q is the q-quantile of e, weighted by requests and not by time: quiet hours say little of what a burst needs. Errors are
of one bin for answers of a few tokens, and of up to a minute for long ones, whose pace evens out in between. q moves
with the misses that were seen, `-ln(1 - q) += 0.6 · (misses / usual arrivals - 0.005)`, and starts and stays the higher
the longer a start takes: by then a miss lasts as long.
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
    from autoscaler.rules.headroom import Errors
    from autoscaler.rules.regression import Vector

_MINUTE, _TEN_MINUTES = 4, 40
"""Bins of the short mean and the long one."""
_YOUNG = 10
"""Bins over which a young ramp is looked for. Over a minute noise passed for ramps: a burst of code completion was
taken for a rise that goes on, and at a cold start of 300 s a third of the GPU-hours went into it."""
_FEWEST, _SETTLED = 4, 28
"""Bins before a forecast is held to what came, and before anything is lowered."""
_SMOOTHING_SECONDS = 5.0
"""Errors are of one bin for each five seconds that a request may decode."""
_SLOTS = 128
_HIGHEST_HALF_LIFE_SECONDS = 86400.0
_USUAL_HALF_LIFE_SECONDS = 7200.0
_SHORTEST_HALF_LIFE_SECONDS, _HALF_LIFE_HORIZONS = 3600.0, 36.0
"""How soon errors are forgotten: a long cold start sees fewer ramps an hour, and must remember them for longer."""
_CAP = 1.25
_ROOM_MOST, _ROOM_PER_SECOND, _ROOM_FREE_SECONDS = 0.2, 0.0007, 120.0
"""Room that is never given up, as a share of demand: nothing at a horizon of two minutes, a seventh at five and a half.
A crowd that comes within a minute costs a whole cold start of misses, and no calm hour before it tells."""
_CERTAIN, _CERTAIN_LEAST, _CERTAIN_FALLS_OVER_SECONDS = 2.0, 1.5, 360.0
"""Standard errors of a rise that do not count: a ramp after calm hours, which taught the regression to distrust all
rises, is still met. Two at a horizon of two minutes, one and a half from five on: a ramp that is missed costs more."""
_Q_LEAST, _Q_LEAST_MOST, _Q_LEAST_SECONDS = 0.8, 0.85, 40.0
"""q is at least 1 - 40 s / horizon, between these two."""
_Q_MOST = 0.99
_Q_GAIN, _MISSES_ALLOWED = 0.6, 0.005
_FIRST_ERROR, _FIRST_BINS = 0.5, 5
"""Before any error was seen: as if five bins had erred by so much."""


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
    decoding_seconds: float
    """What a request of the mean length may decode for: bursts much shorter than that do no harm."""


class Outlook(NamedTuple):
    """What is expected one horizon ahead."""

    minute: float
    """Demand of the last minute."""
    forecast: float
    need: float
    present: float
    """What the need would be if demand stayed as it is."""
    share: float
    """q: which quantile of the errors the room covers."""
    settled: bool
    """Seven minutes were seen."""
    usual: float
    """Requests of a usual bin."""


def look_ahead(memory: Memory, load: Load, horizon_seconds: float) -> tuple[Outlook, dict[str, float | str]]:
    """Return the outlook after one more bin, and the entries of the rule's memory that change."""
    history = _history(memory, load.demand)
    came = list(map(float, history.split(",")))
    x, rise = _features(came, horizon_seconds)
    usual = _usual(memory, load)
    place = math.floor(load.at / BIN_SECONDS + 0.25)
    bins = min(_TEN_MINUTES, number(memory, "outlook.bins") + 1)
    regression, errors = _learned(memory, load, place, came, horizon_seconds)
    forecast = max(regression.predict(x), x[1] + rise)
    highest = max(load.demand, number(memory, "outlook.highest") * 0.5 ** (load.seconds / _HIGHEST_HALF_LIFE_SECONDS))
    share = _calibrate(memory, load.missed, usual, horizon_seconds)
    headroom = _Headroom(errors.quantile(share), _CAP * highest)
    present = max(headroom.on(x[1]), x[1] * (1.0 + _least_room(horizon_seconds)))
    outlook = Outlook(x[1], forecast, max(headroom.on(forecast), present), present, share, bins >= _SETTLED, usual)
    due = place + max(1, round(horizon_seconds / BIN_SECONDS))
    # what was forecast from less than a minute would teach errors that never come again
    slot = {f"outlook.made.{due % _SLOTS}": ",".join(map(repr, (due, forecast, *x)))} if bins >= _FEWEST else {}
    return outlook, {
        "outlook.history": history,
        "outlook.highest": highest,
        "outlook.share": share,
        "outlook.usual": usual,
        "outlook.bins": bins,
        f"outlook.made.{(place - _MINUTE) % _SLOTS}": "",
        **slot,
        **dict(zip(_SUMS, regression.sums, strict=True)),
        **store_errors(errors),
    }


class _Headroom(NamedTuple):
    """How much more than a demand is needed."""

    quantile: float
    most: float

    def on(self, demand: float) -> float:
        """Return demand with its room."""
        return min(demand + self.quantile * math.sqrt(demand + 1.0), max(_CAP * demand, self.most))


def _least_room(horizon_seconds: float) -> float:
    return min(_ROOM_MOST, _ROOM_PER_SECOND * max(0.0, horizon_seconds - _ROOM_FREE_SECONDS))


def _learned(
    memory: Memory, load: Load, place: int, came: list[float], horizon_seconds: float
) -> tuple[Regression, Errors]:
    """Return the regression and the errors after what came was held against what had been forecast for it."""
    regression, errors = _recall(memory), recall_errors(memory)
    if not memory.get("outlook.history"):
        errors = errors.learn(_FIRST_ERROR, _FIRST_BINS * load.requests, 0.0)
    made = _made(memory, place)
    if made is not None:
        regression = regression.learn(made[1], load.demand, load.seconds)
    bins = min(_MINUTE, max(1, round(load.decoding_seconds / _SMOOTHING_SECONDS)))
    made = _made(memory, place - bins // 2)
    if made is not None:
        error = (math.fsum(came[-bins:]) / bins - made[0]) / math.sqrt(made[0] + 1.0)
        half_life_seconds = max(_SHORTEST_HALF_LIFE_SECONDS, _HALF_LIFE_HORIZONS * horizon_seconds)
        errors = errors.learn(error, load.requests, load.seconds / half_life_seconds)
    return regression, errors


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
    """Return the regressors, and what demand will rise by for certain: the rise beyond its own noise.

    The rise is taken over two stretches of half a horizon each, as noise is to its length, and, to see a ramp while it
    is young, over a shorter one. Noise is the mean square of the steps from bin to bin, half of which is each bin's.
    """
    longest = min(_TEN_MINUTES // 2, max(_MINUTE, round(horizon_seconds / (2.0 * BIN_SECONDS))))
    minute, ten_minutes = math.fsum(history[-_MINUTE:]) / _MINUTE, math.fsum(history) / _TEN_MINUTES
    squares = sum([(new - old) * (new - old) for old, new in itertools.pairwise(history)])
    noise = math.sqrt(squares / (len(history) - 1))
    rise = certain = 0.0
    errors = _standard_errors(horizon_seconds)
    for bins in (_YOUNG, longest) if longest > _YOUNG else (longest,):
        ahead = horizon_seconds / (bins * BIN_SECONDS)
        rise = (math.fsum(history[-bins:]) - math.fsum(history[-2 * bins : -bins])) / bins * ahead
        certain = max(certain, rise - errors * noise / math.sqrt(bins) * ahead)
    return (1.0, minute, ten_minutes, rise), certain


def _standard_errors(horizon_seconds: float) -> float:
    beyond_seconds = max(0.0, horizon_seconds - _ROOM_FREE_SECONDS)
    return max(_CERTAIN_LEAST, _CERTAIN - beyond_seconds / _CERTAIN_FALLS_OVER_SECONDS)


def _made(memory: Memory, place: int) -> tuple[float, Vector] | None:
    """Return the forecast that was made for this bin, with what it was made from."""
    text = memory.get(f"outlook.made.{place % _SLOTS}")
    if not isinstance(text, str) or not text:
        return None
    due, forecast, x0, x1, x2, x3 = map(float, text.split(","))
    return (forecast, (x0, x1, x2, x3)) if due == place else None


def _usual(memory: Memory, load: Load) -> float:
    """Return the usual requests a bin; at first those of the first bin."""
    before = number(memory, "outlook.usual", load.requests)
    weight = math.pow(0.5, load.seconds / _USUAL_HALF_LIFE_SECONDS)
    return before * weight + load.requests * (1.0 - weight)


def _calibrate(memory: Memory, missed: float, usual: float, horizon_seconds: float) -> float:
    """Return q after one more bin, in which so many requests missed of so many that are usual."""
    least = min(_Q_LEAST_MOST, max(_Q_LEAST, 1.0 - _Q_LEAST_SECONDS / max(1.0, horizon_seconds)))
    share = number(memory, "outlook.share", least)
    if usual > 0.0:
        level = -math.log(1.0 - share) + _Q_GAIN * (min(1.0, missed / usual) - _MISSES_ALLOWED)
        share = min(_Q_MOST, 1.0 - math.exp(-level))
    return max(least, share)
