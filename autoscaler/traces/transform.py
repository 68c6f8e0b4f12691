"""What can be done to a trace: each a pure function from trace to trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.synthetic import MOST_REQUESTS
from autoscaler.traces.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.traces.lengths import Lengths


def window(trace: Trace, start_seconds: float, end_seconds: float) -> Trace:
    """Return the requests from the start on and before the end; the start becomes time 0."""
    part = trace.take(slice(*np.searchsorted(trace.arrival_seconds, (start_seconds, end_seconds)).tolist()))
    return part._replace(arrival_seconds=part.arrival_seconds - start_seconds) if start_seconds else part


def squeeze(trace: Trace, rate_scale: float) -> Trace:
    """Return the same requests at a rate multiplied by `rate_scale`: the time between them is divided by it.

    Gaps keep their CV; waves and bursts become shorter by the same factor.
    """
    return trace if rate_scale == 1 else trace._replace(arrival_seconds=trace.arrival_seconds / rate_scale)


def thin(trace: Trace, keep: float, stream: np.random.Generator) -> Trace:
    """Return each request with the probability `keep`, all at their own moments.

    The squared CV of independent gaps goes from c² to 1 - keep + keep·c²: towards 1, that of Poisson arrivals.
    """
    if keep >= 1:
        return trace
    note = f"{keep:.3g} of the requests are kept, at random: gaps vary less than in the whole trace"
    return trace.take(stream.random(len(trace.arrival_seconds)) < keep).noted(note)


def jitter(trace: Trace, jitter_seconds: float, stream: np.random.Generator) -> Trace:
    """Return the requests moved later by a random time below `jitter_seconds`, in their new order.

    Stamps that stand in slots of this width, some a few milliseconds beside a slot's beginning, are put exactly there
    first: so no request leaves its slot.
    """
    if not jitter_seconds:
        return trace
    arrivals = trace.arrival_seconds
    if jitter_seconds == trace.grid_seconds:
        arrivals = np.rint(arrivals / jitter_seconds) * jitter_seconds
    moved = arrivals + stream.random(len(arrivals)) * jitter_seconds
    return trace._replace(arrival_seconds=moved, grid_seconds=0.0).ordered()


def repeat(trace: Trace, times: int, period_seconds: float) -> Trace:
    """Return the trace played `times` times, each `period_seconds` after the one before.

    Raises:
        TraceError: it becomes too many requests.
    """
    if times == 1:
        return trace
    count = len(trace.arrival_seconds)
    check_count(trace.name, count * times)
    shifts = np.repeat(np.arange(times) * period_seconds, count)
    hits = trace.prefix_tokens
    return trace._replace(
        arrival_seconds=np.tile(trace.arrival_seconds, times) + shifts,
        prompt_tokens=np.tile(trace.prompt_tokens, times),
        output_tokens=np.tile(trace.output_tokens, times),
        prefix_tokens=None if hits is None else np.tile(hits, times),
    ).ordered()


def own_period(trace: Trace) -> float:
    """Return how long a trace lasts with the mean gap after its last request; a second for one of a single moment."""
    count, last = len(trace.arrival_seconds), trace.duration_seconds
    return last * count / (count - 1) if last else 1.0


def relength(trace: Trace, lengths: Lengths, stream: np.random.Generator) -> Trace:
    """Return the same arrivals with other token lengths; prefix hits, which belong to the old ones, are dropped."""
    prompts, outputs = lengths.draw(len(trace.arrival_seconds), stream)
    changed = trace._replace(prompt_tokens=prompts, output_tokens=outputs, prefix_tokens=None)
    return changed.noted(f"{lengths}")


def mix(traces: Sequence[Trace], weights: Sequence[float] | None, stream: np.random.Generator) -> Trace:
    """Return all requests of several traces in order of arrival.

    With weights, each trace's number of requests is to the others' as its weight to theirs: the one that has the fewest
    for its weight is kept whole, the others are thinned.

    Raises:
        TraceError: a trace with a weight is empty.
    """
    if weights is not None:
        traces = _weighted(traces, weights, stream)
    hits = None
    if any(one.prefix_tokens is not None for one in traces):
        none = [np.zeros(len(one.arrival_seconds), np.int32) for one in traces]
        hits = np.concatenate(
            [z if t.prefix_tokens is None else t.prefix_tokens for t, z in zip(traces, none, strict=True)]
        )
    joined = Trace(
        " + ".join(dict.fromkeys(one.name for one in traces)),
        np.concatenate([one.arrival_seconds for one in traces]),
        np.concatenate([one.prompt_tokens for one in traces]),
        np.concatenate([one.output_tokens for one in traces]),
        tuple(f"{one.name}: {note}" for one in traces for note in one.notes),
        hits,
    )
    return joined.ordered()


def _weighted(traces: Sequence[Trace], weights: Sequence[float], stream: np.random.Generator) -> list[Trace]:
    supplies = [len(one.arrival_seconds) / weight for one, weight in zip(traces, weights, strict=True)]
    scarcest = min(supplies)
    if not scarcest:
        raise TraceError(
            f"{traces[supplies.index(0)].name}: no request arrives, so its weight in the mix cannot be met"
        )
    return [thin(one, scarcest / supply, stream) for one, supply in zip(traces, supplies, strict=True)]


def check_count(name: object, requests: float) -> None:
    """Refuse what would not fit into memory.

    Raises:
        TraceError: there are too many requests.
    """
    if requests > MOST_REQUESTS:
        raise TraceError(
            f"{name}: must make at most {MOST_REQUESTS} requests (found about {requests:.3g}): "
            "choose a shorter windowSeconds, or a lower rateScale where the trace records rates"
        )
