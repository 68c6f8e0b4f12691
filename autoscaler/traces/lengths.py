"""Token lengths for requests that have none: lognormal, or those of another trace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from autoscaler.documents.scenario import TokenLengths, TraceLengths

if TYPE_CHECKING:
    from autoscaler.traces.trace import Integers, Trace

_BLOCK = 1_000_000
"""Lengths that are drawn together."""


class Lengths(Protocol):
    """Where token lengths come from."""

    def draw(self, count: int, stream: np.random.Generator) -> tuple[Integers, Integers]:
        """Return prompts and outputs."""

    def __str__(self) -> str:
        """Say what they are, for a person."""


class LognormalLengths(NamedTuple):
    """Prompts and outputs that know nothing of each other, each lognormal."""

    prompt: TokenLengths
    output: TokenLengths

    def draw(self, count: int, stream: np.random.Generator) -> tuple[Integers, Integers]:
        """Return prompts and outputs."""
        streams = stream.spawn(2)
        return lognormal(self.prompt, count, streams[0]), lognormal(self.output, count, streams[1])

    def __str__(self) -> str:
        """Say what they are."""
        return f"lognormal lengths, mean {self.prompt.mean:g} in and {self.output.mean:g} out"


class SampledLengths(NamedTuple):
    """Pairs of prompt and output as they stand in a trace, drawn with replacement."""

    trace: Trace

    def draw(self, count: int, stream: np.random.Generator) -> tuple[Integers, Integers]:
        """Return prompts and outputs."""
        chosen = stream.integers(len(self.trace.arrival_seconds), size=count)
        return self.trace.prompt_tokens[chosen], self.trace.output_tokens[chosen]

    def __str__(self) -> str:
        """Say what they are."""
        return f"lengths drawn from {self.trace.name}"


_DEFAULTS = TraceLengths()
DEFAULT = LognormalLengths(_DEFAULTS.prompt_tokens, _DEFAULTS.output_tokens)


def lognormal(lengths: TokenLengths, count: int, stream: np.random.Generator) -> Integers:
    """Return lengths of at least 1 and at most the limit, whose mean before these cuts is the one asked for.

    exp(N(m, sigma²)) has the mean exp(m + sigma²/2), and sqrt(exp(sigma²) - 1) as its CV.
    """
    center = math.log(lengths.mean) - lengths.sigma**2 / 2
    found = np.empty(count, np.int32)
    for begin in range(0, count, _BLOCK):
        part = found[begin : begin + _BLOCK]
        drawn = stream.lognormal(center, lengths.sigma, len(part))
        part[:] = np.clip(np.rint(drawn, out=drawn), 1, lengths.limit, out=drawn)
    return found
