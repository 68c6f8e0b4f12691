"""How full a replica may be within the objective, by what it is asked for and how many share the load.

A router spreads bursts, so a large fleet may be fuller than a small one; a long prompt stops every answer that is being
decoded, so prompts that weigh much leave less. With `left = 1 - a/s`, the share that an objective of s per token leaves
of a replica whose iterations take a at least,

    rho = min(1.08 / (1 + e^z), 0.96) · left
    z   = 1.00 - 0.47 ln(T/w) - 0.32 ln N + 1.34 ln phi - 1.48 ln left + 0.29 ln(s · out)

where w is a request's work, T = max(1 s, s · out) the time that it may decode for, N the replicas and phi the prompt's
share of the work. Source: `benchmarks/lab/usable_share.py`, a fit to the load at which 99 % of requests met TTFT 2 s
and s, of 233 simulated fleets of 1 to 32 replicas: every preset, objectives of 1.8 to 7 times a, mean lengths of 150 to
6,000 and 12 to 600 tokens. Off by 5 % in the median, by 23 % at the ninth decile (prompts whose longest alone come near
the TTFT's limit). A TTFT of less than 2 s is not in it: misses move the headroom then, not this share.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from autoscaler.rules.work import Coefficients, Lengths

LEAST_USABLE = 0.1
_SCALE, _FULLEST = 1.08, 0.96
"""At `left` itself the mean pace of a token is the objective, and half of all answers miss it."""
_SHORTEST_DECODING_SECONDS = 1.0
"""Answers of a few tokens may take so long whatever the objective per token."""
_LEAST_READING_SHARE = 0.05
_CONSTANT, _REQUESTS, _REPLICAS, _READING, _LEFT, _DECODING = 1.001, -0.468, -0.318, 1.341, -1.476, 0.288
_ROUNDS = 2


class Replica(NamedTuple):
    """One replica under its present traffic and objective."""

    base_seconds: float
    """a: the shortest iteration."""
    tpot_seconds: float
    """s: what a token may take."""
    output_tokens: float
    """Of the mean request."""
    work_seconds: float
    """w: what the mean request takes of a replica."""
    reading_share: float
    """phi: the part of w that reads the prompt."""
    most_running: float = math.inf
    """Requests of the mean length that its KV cache and its batch hold at once."""

    @property
    def reading_seconds(self) -> float:
        """What the mean prompt takes to read."""
        return self.reading_share * self.work_seconds

    @property
    def allowed_seconds(self) -> float:
        """How long a request of the mean length may decode."""
        return self.tpot_seconds * max(1.0, self.output_tokens)

    def usable(self, replicas: float) -> float:
        """Return how full each of so many replicas may be, at least a tenth.

        Worked: 8B on an H100 within 50 ms, chat of 1,155 and 211 tokens: 0.76 of one replica, 0.84 of each of eight.
        """
        left = 1.0 - self.base_seconds / self.tpot_seconds
        if left <= 0.0 or self.work_seconds <= 0.0:
            return LEAST_USABLE
        allowed_seconds = self.allowed_seconds
        z = (
            _CONSTANT
            + _REQUESTS * math.log(max(_SHORTEST_DECODING_SECONDS, allowed_seconds) / self.work_seconds)
            + _REPLICAS * math.log(max(1.0, replicas))
            + _READING * math.log(max(_LEAST_READING_SHARE, self.reading_share))
            + _LEFT * math.log(left)
            + _DECODING * math.log(allowed_seconds)
        )
        full = min(_SCALE / (1.0 + math.exp(min(z, 50.0))), _FULLEST) * left
        return max(LEAST_USABLE, min(full, self._held()))

    def _held(self) -> float:
        """Return how full the requests that it holds at once make it.

        At rho a request decodes for out · a / (1 - rho), so by Little's law n at once are rho = q / (1 + q) with
        q = n · w / (out · a). Worked: an answer of 2,500 tokens from a 70B model whose cache holds 60 such: 0.5.
        """
        decoding_seconds = self.output_tokens * self.base_seconds
        if math.isinf(self.most_running) or decoding_seconds <= 0.0:
            return 1.0
        busy = self.most_running * self.work_seconds / decoding_seconds
        return busy / (1.0 + busy)

    def usable_for(self, need: float) -> float:
        """Return how full the replicas may be that a need of so many full ones takes."""
        replicas = need
        usable = 1.0
        for _ in range(_ROUNDS):
            usable = self.usable(replicas)
            replicas = need / usable
        return usable


def replica_of(
    coefficients: Coefficients, lengths: Lengths, slowness: float, tpot_seconds: float, most_running: float
) -> Replica:
    """Return the replica of these iteration times, so many times as slow as stated, under requests of these lengths."""
    work_seconds = lengths.work_seconds(coefficients)
    reading_seconds = coefficients.prompt_token_seconds * lengths.prompt_tokens / lengths.requests
    return Replica(
        coefficients.base_seconds * slowness,
        tpot_seconds,
        lengths.output_tokens / lengths.requests,
        work_seconds * slowness,
        reading_seconds / work_seconds if work_seconds > 0.0 else 0.0,
        most_running,
    )
