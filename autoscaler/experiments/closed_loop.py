"""A closed loop: clients that each send their next request at the moment the last one is answered.

Benchmarks of serving engines are run so, with a fixed number of clients and fixed lengths. The moment of each next
request depends on the simulation itself, so time passes from one event of the fleet to the next, and requests are added
exactly when they come.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.errors import UsageError
from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet

if TYPE_CHECKING:
    from autoscaler.simulator.fleet import Advance, Results
    from autoscaler.simulator.layout import Floats, Integers, Model


class ClosedLoop(NamedTuple):
    """What the clients saw: means over the requests measured."""

    tpot_seconds: float
    """(last token - first token) / (output tokens - 1); NaN for a single output token."""
    ttft_seconds: float
    e2e_seconds: float
    output_tokens_per_second: float
    """Of the replica: `concurrency · output tokens / e2e`, Little's law, since `concurrency` are always in flight."""
    burst_ttft_seconds: float
    """Of the first burst, which is not measured: all clients begin at once."""
    requests: int
    """How many were measured."""
    preemptions: int


def closed_loop(
    model: Model,
    *,
    concurrency: int,
    prompt_tokens: int,
    output_tokens: int,
    requests: int,
    warm_up_rounds: int = 1,
    compiled: Advance | None = None,
) -> ClosedLoop:
    """Return what `concurrency` clients of one replica see, for equal requests.

    The first `warm_up_rounds · concurrency` requests, which begin with all clients at once, are simulated but not
    measured; the `requests` after them are. Clients go on until the last of these is answered, so none is measured
    while the replica empties. A front end's time is part of an answer: the next request leaves after it.

    Raises:
        UsageError: a number is out of range, or the replica turns a request away.
    """
    _check(concurrency=concurrency, prompt_tokens=prompt_tokens, output_tokens=output_tokens, requests=requests)
    fleet = SimulatedFleet(model, itertools.repeat(0.0), compiled=compiled)
    fleet.scale_to(1, 0.0)
    first = warm_up_rounds * concurrency
    clients = _send(fleet, np.zeros(concurrency), prompt_tokens, output_tokens)
    while clients.min() < first + requests:
        fleet.advance(fleet.next_event())
        results = fleet.results()
        answered = results.outcome[clients] != kernel.PENDING
        if answered.any():
            moments = _answers(results, clients[answered])
            clients[answered] = _send(fleet, moments, prompt_tokens, output_tokens)
    measured = slice(first, first + requests)
    return _summary(fleet, concurrency, output_tokens, measured)


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} {count}: must be at least 1")


def _send(fleet: SimulatedFleet, moments: Floats, prompt_tokens: int, output_tokens: int) -> Integers:
    """Add one request at each moment; return their numbers."""
    first, count = fleet.loaded, len(moments)
    fleet.add_requests(moments, np.full(count, prompt_tokens), np.full(count, output_tokens))
    return np.arange(first, first + count)


def _answers(results: Results, numbers: Integers) -> Floats:
    """Return when these requests were answered, in order."""
    if (results.outcome[numbers] != kernel.COMPLETED).any():
        allowed = "must fit in context and KV cache, with neither queue limit nor client timeout in the way"
        raise UsageError(f"closed loop: a request was turned away; prompt and output {allowed}")
    moments: Floats = np.sort(results.finish[numbers])
    return moments


def _summary(fleet: SimulatedFleet, concurrency: int, output_tokens: int, measured: slice) -> ClosedLoop:
    results = fleet.results()
    first_token = results.first_token - results.arrival
    decode = (results.finish - results.first_token)[measured]
    e2e = float((results.finish - results.arrival)[measured].mean())
    return ClosedLoop(
        float(decode.mean()) / (output_tokens - 1) if output_tokens > 1 else float("nan"),
        float(first_token[measured].mean()),
        e2e,
        concurrency * output_tokens / e2e,
        float(first_token[:concurrency].mean()),
        measured.stop - measured.start,
        fleet.preemptions(),
    )
