"""ServeGen's histograms of token lengths: for each span of hours a Python literal `{tokens: share}`, in JSON."""

from __future__ import annotations

import ast
import json
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.table import MOST_TOKENS, not_negative, shown

if TYPE_CHECKING:
    from autoscaler.traces.trace import Floats, Integers

_MOST_LITERAL = 4_000_000
"""Characters of one histogram."""


class Histogram(NamedTuple):
    """How often each number of tokens occurs."""

    tokens: Integers
    reached: Floats
    """The share of requests with so many tokens or fewer; the last is 1."""

    def draw(self, count: int, stream: np.random.Generator) -> Integers:
        """Return numbers of tokens."""
        return self.tokens[np.searchsorted(self.reached, stream.random(count), "right")]


class Span(NamedTuple):
    """The lengths of one span of hours."""

    begin_seconds: float
    prompt: Histogram
    output: Histogram


def read_spans(path: str, text: str) -> tuple[Span, ...]:
    """Return the spans that hold lengths, in their order.

    Raises:
        TraceError: naming span, histogram and value.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f" line {error.lineno}:" if isinstance(error, json.JSONDecodeError) else ""
        raise TraceError(f"{path}:{line} must be JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise TraceError(f"{path}: must map the first second of each span to its histograms")
    spans = []
    for key, histograms in found.items():
        where = f"{path}: key {shown(key)}"
        try:
            begin = not_negative(key)
        except ValueError:
            raise TraceError(f"{where}: must be a number of seconds, 0 or more") from None
        prompt = _histogram(where, histograms, "input_tokens")
        output = _histogram(where, histograms, "output_tokens")
        # a span in which nothing came has empty histograms
        if prompt is not None and output is not None:
            spans.append(Span(begin, prompt, output))
    return tuple(sorted(spans, key=lambda span: span.begin_seconds))


def _histogram(where: str, histograms: dict[str, object], name: str) -> Histogram | None:
    text = histograms.get(name)
    where = f"{where}, key {name}"
    if not isinstance(text, str) or len(text) > _MOST_LITERAL:
        raise TraceError(f"{where}: must be a Python literal {{tokens: share}} (found {shown(text)})")
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise TraceError(f"{where}: must be a Python literal {{tokens: share}} (found {shown(text)})") from error
    if not isinstance(found, dict):
        raise TraceError(f"{where}: must be a Python literal {{tokens: share}} (found {shown(text)})")
    for tokens, share in found.items():
        if type(tokens) is not int or not 0 <= tokens <= MOST_TOKENS:
            raise TraceError(f"{where}: tokens must be whole numbers from 0 to {MOST_TOKENS} (found {shown(tokens)})")
        if type(share) not in (int, float) or not 0 <= share <= 1e9 or not math.isfinite(share):
            raise TraceError(f"{where}: shares must be finite numbers, 0 or more (found {shown(share)})")
    return _summed(where, found)


def _summed(where: str, shares: dict[int, float]) -> Histogram | None:
    if not shares:
        return None
    tokens = np.array(sorted(shares), np.int32)
    reached = np.cumsum([shares[one] for one in tokens.tolist()])
    if not reached[-1] > 0:
        raise TraceError(f"{where}: must have a share above 0 (found a sum of {reached[-1]:g})")
    return Histogram(tokens, reached / reached[-1])
