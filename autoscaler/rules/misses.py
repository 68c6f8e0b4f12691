"""Which share of the requests missed the objective, as far as quantiles and the time that requests stay tell.

By Little's law the mean request runs for running · seconds / started. Where answers are long, all are about as slow as
their mean, and so is a token: a mean pace of 0.9 of the objective is the first sign of misses, at 1.4 all miss. Where
answers are short, a burst is over before a mean moves much: some requests miss by far and most do not. There it counts
by how much longer the mean request stayed than the mean fill explains, as a share of what a request may take:

    slow = 0.5 · ((stay - (a · out + b · in) / (1 - fill)) / (1 + A · e^(-1/A)) - 0.14)        A = s · out

for an answer may take a second, or s a token if that is longer, and lengths spread like an exponential's. Held against
code completion on fixed fleets of an L40S, which missed 0.2, 0.6, 2.0 and 4.2 %, it sees 0.2, 1.0, 2.2 and 4.3 %; on an
H100, where 0.2, 4.1 and 9.8 % missed, 4.5, 15 and 19 %.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import SignalRequest
from autoscaler.rules.work import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.observation import Signal
    from autoscaler.engine.proposal import Memory
    from autoscaler.rules.arrivals import Bin
    from autoscaler.rules.usable import Replica

_QUANTILES = (0.9, 0.97, 0.99)
NEEDS = tuple(SignalRequest("timeToFirstToken", quantile) for quantile in _QUANTILES)
_TOLD = tuple((request.key, 1.0 - quantile) for request, quantile in zip(NEEDS, _QUANTILES, strict=True))
"""Where each quantile stands, and the share of requests beyond it."""
_SHORT_SECONDS = 5.0
"""Answers that may take no longer are short."""
_FEWEST_RUNNING = 8.0
"""Fewer requests running per replica at the moment of a scrape say little of the pace."""
_NEAR, _SLOPE = 0.9, 2.0
_HALF_LIFE_SECONDS = 45.0
_FULL = 0.9
"""From here on a mean fill explains any stay."""
_SHARE_PER_EXCESS, _EXCESS_FREE = 0.5, 0.14


class Stay(NamedTuple):
    """The last minute, forgotten with a half-life of three quarters of one."""

    running_seconds: float = 0.0
    started: float = 0.0
    """Requests whose first token came."""
    demand_seconds: float = 0.0
    """Of fully used replicas."""
    replica_seconds: float = 0.0

    def learn(self, bin_: Bin, work_seconds: float, ready: int) -> Stay:
        """Return the stay after one more bin of requests of so much work each."""
        kept = 0.5 ** (bin_.seconds / _HALF_LIFE_SECONDS)
        return Stay(
            self.running_seconds * kept + bin_.running * bin_.seconds,
            self.started * kept + bin_.started,
            self.demand_seconds * kept + bin_.arrived * work_seconds,
            self.replica_seconds * kept + ready * bin_.seconds,
        )

    def slow_share(self, replica: Replica) -> float:
        """Return the share of short answers that took too long."""
        allowed_seconds = replica.tpot_seconds * replica.output_tokens
        if self.started <= 0.0 or self.demand_seconds >= _FULL * self.replica_seconds or allowed_seconds <= 0.0:
            return 0.0
        left = 1.0 - self.demand_seconds / self.replica_seconds
        explained_seconds = (replica.base_seconds * replica.output_tokens + replica.reading_seconds) / left
        allowed_seconds = 1.0 + allowed_seconds * math.exp(-1.0 / allowed_seconds)
        excess = (self.running_seconds / self.started - explained_seconds) / allowed_seconds
        return min(1.0, max(0.0, _SHARE_PER_EXCESS * (excess - _EXCESS_FREE)))


_KEYS = tuple(f"stay.{name}" for name in Stay._fields)


def recall_stay(memory: Memory) -> Stay:
    """Return the stay in a rule's memory."""
    return Stay(*[number(memory, key) for key in _KEYS])


def store_stay(stay: Stay) -> dict[str, float]:
    """Return the stay as entries of a rule's memory."""
    return dict(zip(_KEYS, stay, strict=True))


def late_share(signals: Mapping[str, Signal], ttft_seconds: float) -> float:
    """Return the share of requests whose first token was late, as far as three quantiles tell."""
    before = 1.0
    for key, beyond in _TOLD:
        signal = signals.get(key)
        if signal is None or signal.value is None:
            return 0.0
        if signal.value > ttft_seconds:
            return (beyond + before) / 2.0
        before = beyond
    return 0.0


def slow_share(stay: Stay, bin_: Bin, running: float, ready: int, replica: Replica) -> float:
    """Return the share of a bin's requests that decode too slowly; `running` are those at its end."""
    if replica.allowed_seconds <= _SHORT_SECONDS:
        return stay.slow_share(replica)
    if bin_.output_tokens <= 0.0 or running < _FEWEST_RUNNING * ready:
        return 0.0
    pace_seconds = running * bin_.seconds / bin_.output_tokens
    return min(1.0, max(0.0, (pace_seconds / replica.tpot_seconds - _NEAR) * _SLOPE))
