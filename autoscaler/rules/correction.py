"""How far the usable share is off, learned from misses that a full fleet cannot explain.

The formula of `usable` does not know how uneven traffic is within a quarter of a minute, how long its longest prompts
are, or what a cache saves; nor what it leaves unused where requests are all alike. Misses tell, if they are put down to
the right cause: a fleet that demand filled beyond the usable share was too small, which is the forecast's error and
says nothing of the share. So the factor f on the share moves once a bin, with requests counted in usual bins:

    credit = min(0.3, credit + 0.005 · requests - missed)        misses within the credit change nothing
    ln f  -= 0.05 · overdraft        if the fleet was at no time fuller than usable: misses are the share's fault
    ln f  += 0.001 · requests        while there is credit and f < 1: what was taken comes back
    ln f  += 0.0003 · requests       while there is credit and the fleet is nearly full: more may be usable
    ln f  -= 0.1 · overdraft         if f > 1, whoever is at fault

f stays between 0.6 and 1.05; above 1 it goes only where starts are short, for after a calm hour a crowd meets replicas
that are fuller, and a cold start of minutes makes that dear (World Cup, 300 s: 98.2 % instead of 99.7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory

_ALLOWED, _MOST_CREDIT = 0.005, 0.3
"""Misses allowed of all requests, and as many as may be saved up, in bins of usual traffic."""
_TAKEN, _GIVEN_BACK = 0.05, 0.001
_TRIED, _WITHDRAWN = 0.0003, 0.1
_LEAST, _MOST = math.log(0.6), 0.05
_NEARLY_FULL = 0.85
_BINS = 10
"""Latency is told of the last two minutes: for so long a full fleet may be to blame."""
_SHORT_SECONDS, _LONG_SECONDS = 120.0, 300.0
"""Between these horizons the most that f may grow to goes back to 1."""


class Correction(NamedTuple):
    """The logarithm of f, how full the fleet was of late, and what may still be missed."""

    level: float = 0.0
    fills: tuple[float, ...] = ()
    """Demand per ready replica of each bin, the newest last; infinite with none ready."""
    credit: float = 0.0
    """In usual bins' requests."""

    @property
    def factor(self) -> float:
        """What to multiply the usable share by."""
        return math.exp(self.level)

    def learn(self, fill: float, usable: float, requests: float, missed: float, horizon_seconds: float) -> Correction:
        """Return the correction after a bin.

        `fill` is its demand per ready replica, `usable` the share that the fleet was sized by; requests and misses are
        in usual bins.
        """
        fills = (*self.fills, fill)[-_BINS:]
        credit = min(_MOST_CREDIT, self.credit + _ALLOWED * requests - missed)
        change = _change(self.level, credit, max(fills) / usable, min(1.0, requests))
        short = (_LONG_SECONDS - horizon_seconds) / (_LONG_SECONDS - _SHORT_SECONDS)
        most = _MOST * min(1.0, max(0.0, short))
        return Correction(min(most, max(_LEAST, self.level + change)), fills, max(0.0, credit))


def _change(level: float, credit: float, fullest: float, requests: float) -> float:
    """Return what ln f changes by; `fullest` is the fullest of late as a share of usable."""
    if credit < 0.0:
        overdraft = min(1.0, -credit)
        if level > 0.0:
            return -min(level, _WITHDRAWN * overdraft)
        return -_TAKEN * overdraft if fullest <= 1.0 else 0.0
    if level < 0.0:
        return _GIVEN_BACK * requests
    return _TRIED * requests if _NEARLY_FULL <= fullest < math.inf else 0.0


def recall_correction(memory: Memory) -> Correction:
    """Return the correction in a rule's memory."""
    text = memory.get("correction.fills")
    fills = tuple(map(float, text.split(","))) if isinstance(text, str) and text else ()
    return Correction(number(memory, "correction.level"), fills, number(memory, "correction.credit"))


def store_correction(correction: Correction) -> dict[str, float | str]:
    """Return the correction as entries of a rule's memory."""
    return {
        "correction.level": correction.level,
        "correction.fills": ",".join(f"{fill:.4g}" for fill in correction.fills),
        "correction.credit": correction.credit,
    }
