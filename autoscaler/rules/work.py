"""What one request costs a replica, learned from token counters.

Source: the mean-field form of `t = a + b·prefill + c·batch + d·context`: a request takes `w = b·in + out·(c + d·ctx)`
replica-seconds besides its share of the base a, and a replica that is used to the share rho decodes a token in
`a / (1 - rho)`, so an objective of s per token leaves `1 - a/s` of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.proposal import Memory

WARM_REQUESTS = 100.0
"""Requests after which a mean length is believed."""
_HALF_LIFE_SECONDS = 900.0
_MOSTLY = 15.0
"""Chat decodes 44 to 65 times as long as it reads, code completion 5 times."""


class Coefficients(NamedTuple):
    """How long an iteration takes, in seconds, as in `t = a + b·prefill + c·batch + d·context`."""

    base_seconds: float
    prompt_token_seconds: float
    sequence_seconds: float
    context_token_seconds: float

    def work_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return what a request of the mean lengths takes of a replica, e.g. 0.038 s of an H100 with an 8B model.

        Decoding sees the prompt and, weighted by length, about the mean output: outputs spread like an exponential's.
        """
        decoding = self.decoding_seconds(prompt_tokens, output_tokens)
        return self.prompt_token_seconds * prompt_tokens + output_tokens * decoding

    def decoding_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return what a token of a request of the mean lengths takes of a replica, besides its share of the base."""
        return self.sequence_seconds + self.context_token_seconds * (prompt_tokens + output_tokens)


class Lengths(NamedTuple):
    """Requests and their tokens, forgotten with a half-life of a quarter of an hour."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    seen: float = 0.0
    """Requests ever, up to what warms up: nothing is forgotten of that."""

    def learn(self, requests: float, prompt_tokens: float, output_tokens: float, seconds: float) -> Lengths:
        """Return the lengths after so many more requests and tokens within so many seconds."""
        kept = 0.5 ** (seconds / _HALF_LIFE_SECONDS) if requests > 0 else 1.0
        return Lengths(
            self.requests * kept + requests,
            self.prompt_tokens * kept + prompt_tokens,
            self.output_tokens * kept + output_tokens,
            min(WARM_REQUESTS, self.seen + requests),
        )

    @property
    def warm(self) -> bool:
        """Whether enough requests were seen."""
        return self.seen >= WARM_REQUESTS and self.requests > 0

    def work_seconds(self, coefficients: Coefficients) -> float:
        """Return what a request of the mean lengths takes of a replica; 0 before the first request."""
        if self.requests <= 0:
            return 0.0
        return coefficients.work_seconds(self.prompt_tokens / self.requests, self.output_tokens / self.requests)

    def mostly_decodes(self, coefficients: Coefficients) -> bool:
        """Whether requests in flight are decoding, as good as all, and not reading their prompts."""
        reading_seconds = coefficients.prompt_token_seconds * self.prompt_tokens
        return coefficients.base_seconds * self.output_tokens > _MOSTLY * reading_seconds

    def decoding_seconds(self, coefficients: Coefficients) -> float:
        """Return what a token takes of a replica besides the base; 0 before the first request."""
        if self.requests <= 0:
            return 0.0
        return coefficients.decoding_seconds(self.prompt_tokens / self.requests, self.output_tokens / self.requests)


def recall_lengths(memory: Memory) -> Lengths:
    """Return the lengths in a rule's memory."""
    return Lengths(*(number(memory, f"lengths.{name}") for name in Lengths._fields))


def store_lengths(lengths: Lengths) -> Mapping[str, float]:
    """Return the lengths as entries of a rule's memory."""
    return {f"lengths.{name}": value for name, value in zip(Lengths._fields, lengths, strict=True)}


def number(memory: Memory, key: str, default: float = 0.0) -> float:
    """Return a number of a memory."""
    value = memory.get(key, default)
    if type(value) is float:  # nearly always, thirty times a decision
        return value
    return float(value) if isinstance(value, (int, float)) else default
