"""The arrays that the kernel works on, and how they are laid out.

All are flat. What belongs to a replica stands at its slot; what is a list per replica stands at `slot · width`. The
same memory is seen as numpy arrays by the compiled kernel and as memoryviews by plain Python, where a memoryview's
element is a Python number and costs half of a numpy scalar.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np

from autoscaler.simulator import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
ShortIntegers = np.ndarray[Any, np.dtype[np.int32]]
Bytes = np.ndarray[Any, np.dtype[np.int8]]

UNLIMITED = 2**62


class Model(NamedTuple):
    """How a replica, its gateway and its clients behave; times in seconds."""

    base_seconds: float
    """a: an iteration with nothing in it."""
    prefill_seconds: float
    """b: per prompt token prefilled."""
    sequence_seconds: float
    """c: per decoding request."""
    context_seconds: float
    """d: per token of decoding requests' context."""
    square_seconds: float
    """e: per squared token of a prompt."""
    hinge_tokens: int
    """Tokens of an iteration that cost nothing beyond the base; -1 for the plain linear form."""
    front_seconds: float
    """Front-end time before the first token; adds to results, keeps no GPU busy."""
    back_seconds: float
    """Front-end time after the last token."""
    token_seconds: float
    """Front-end time per output token."""
    max_sequences: int
    budget_tokens: int
    """Tokens per iteration; above `max_sequences`."""
    kv_tokens: int
    conservative: bool
    """Admit only what fits with its whole output, known in advance; else optimistic, with preemption."""
    longest_tokens: int
    """A request of more prompt and output tokens is rejected."""
    router: int
    queue_limit: int
    """Waiting requests at one replica beyond which more are rejected."""
    gateway_limit: int
    timeout_seconds: float
    """How long a client waits to be admitted."""
    bounds: Floats
    """Upper bounds of the three histograms, each of the same width, filled up with infinity."""
    retries: int = 0
    """How often a client tries again after a rejection, a timeout or a failure."""
    retry_seconds: float = 1.0
    """After which time it does; positive."""
    stale_seconds: float = 0.0
    """The router compares loads as they were at the last multiple of this; 0 for as they are."""
    cold_factor: float = 1.0
    """Iterations take so many times as long before `Fleet.warm_at`."""
    cold_seconds: float = 0.0
    """How long after Ready that is; not for replicas that are ready at once."""
    few_replicas: int = 48
    """Up to so many ready replicas the router looks at each, beyond at a tree; its choice is the same."""


class Requests(NamedTuple):
    """The traffic, and what became of it; by request, in order of arrival."""

    arrival: Floats
    prompt: ShortIntegers
    output: ShortIntegers
    first: Floats
    """When the first token was out; NaN if it never was."""
    finish: Floats
    """When the last token was out, the request was rejected, or its client left; NaN while it is pending."""
    outcome: Bytes
    following: ShortIntegers
    """The next request in the same queue."""
    due: Floats
    """When its last try came; the same memory as `arrival` where nobody tries again."""
    hits: ShortIntegers
    """Tokens of the prompt that are in the cache already, below the prompt; empty for none."""
    tries: Bytes
    """How often it came again; empty where nobody does."""
    again: ShortIntegers
    """A heap of those that will come again; empty where nobody does."""


class Fleet(NamedTuple):
    """The replicas, by slot."""

    state: Integers
    ready_at: Floats
    gone_at: Floats
    warm_at: Floats
    """When iterations begin to take their usual time."""
    next_event: Floats
    phase: Integers
    begin: Floats
    """Start of the iterations that run."""
    end: Floats
    steps: Integers
    """How many iterations run until `end`."""
    step: Floats
    """Seconds of the first of them."""
    growth: Floats
    """Half of what each next one takes longer."""
    hindered: Integers
    batch: Integers
    """Decoding requests: the size of the heap."""
    clock: Integers
    """Iterations since the start."""
    context: Integers
    """Tokens in the KV cache."""
    held: Integers
    """Tokens of the KV cache that are spoken for."""
    prefill: Integers
    """Prompt tokens of the iteration that runs."""
    reused: Integers
    """Prompt tokens that were in the cache, of the requests admitted in it."""
    fresh_count: Integers
    partial: Integers
    """The request whose prompt is in progress, or -1."""
    partial_done: Integers
    partial_left: Integers
    partial_generated: Integers
    """Tokens it had generated before it was preempted."""
    head: Integers
    tail: Integers
    waiting: Integers
    preempted: Integers
    outstanding: Integers
    """Waiting, preempted, in prefill and decoding."""
    load: Integers
    """What the router compares: requests, or tokens."""
    seen: Integers
    """The same as it was when a router with stale data looked."""
    completed: Integers
    preemptions: Integers
    prompt_tokens: Integers
    """Prefilled, recomputation included."""
    output_tokens: Integers
    busy_seconds: Floats
    heap: Integers
    fresh: Integers
    """Requests whose prompt is complete when the iteration ends."""
    fresh_generated: Integers
    stack: Integers
    """Preempted requests, the last one to be readmitted first."""
    stack_generated: Integers
    histograms: Integers
    histogram_sums: Floats
    routable: Integers
    """Slots of the ready replicas, in the order of becoming ready."""
    position: Integers
    """Where in `routable` a slot stands, in a large fleet."""
    loads: Integers
    """A tree of minima over the loads, by position: children of n at 2n and 2n + 1, leaves in the second half."""
    events: Floats
    """A tree of minima over the next events, by slot."""


class Book(NamedTuple):
    """What belongs to the whole fleet; see the index names in `kernel.codes`."""

    counts: Integers
    times: Floats


_FLOATS = frozenset(
    {
        "ready_at", "gone_at", "warm_at", "next_event", "begin", "end", "step", "growth", "busy_seconds",
        "histogram_sums", "events",
    }
)  # fmt: skip
_LISTS = frozenset({"heap", "fresh", "fresh_generated", "stack", "stack_generated"})
WHOLE = frozenset({"routable", "loads", "events"})
"""Arrays of the whole fleet: what stands at a slot's place in them is not the slot's own."""
Array = TypeVar("Array", bound=np.ndarray[Any, Any])
Arrays = TypeVar("Arrays", Requests, Fleet, Book, Model)


def new_fleet(slots: int, max_sequences: int, bounds: int) -> Fleet:
    """Return a fleet of absent replicas; `slots` is a power of 2, `bounds` the length of `Model.bounds`."""
    widths = dict.fromkeys(_LISTS, max_sequences) | {"histograms": bounds, "histogram_sums": 3, "loads": 2, "events": 2}
    arrays = {
        name: np.zeros(slots * widths.get(name, 1), np.float64 if name in _FLOATS else np.int64)
        for name in Fleet._fields
    }
    arrays["partial"][:] = -1
    arrays["position"][:] = kernel.NO_TREES
    for name in ("next_event", "ready_at", "gone_at"):
        arrays[name][:] = math.inf
    return Fleet._make(arrays[name] for name in Fleet._fields)


def grow_fleet(fleet: Fleet, slots: int) -> Fleet:
    """Return the same fleet with room for `slots` replicas; its trees must be built anew."""
    before = len(fleet.state)
    blank = new_fleet(slots, len(fleet.heap) // before, len(fleet.histograms) // before)
    for old, new in zip(fleet, blank, strict=True):
        new[: len(old)] = old
    return blank


def new_book(seed: int) -> Book:
    """Return the book of a fleet at time 0; `seed` feeds the router."""
    counts = np.zeros(12, np.int64)
    counts[kernel.LOOKS] = -1
    counts[kernel.SEED] = seed % 4294967295 + 1
    return Book(counts, np.array([0.0, math.inf]))


def new_requests(
    arrival: Floats,
    prompt: ShortIntegers,
    output: ShortIntegers,
    hits: ShortIntegers | None = None,
    *,
    retries: int = 0,
) -> Requests:
    """Return the traffic as the kernel wants it; an empty prompt or output counts as one token.

    At least the last token of a prompt is computed, whatever the hits. Columns that can be used as they are are not
    copied, and never written to.
    """
    count = len(arrival)
    again = count if retries else 0
    arrival = np.require(arrival, np.float64, ("C", "W"))
    prompt, output = _positive(prompt), _positive(output)
    return Requests(
        arrival,
        prompt,
        output,
        np.full(count, math.nan),
        np.full(count, math.nan),
        np.zeros(count, np.int8),
        np.zeros(count, np.int32),
        arrival.copy() if retries else arrival,
        np.empty(0, np.int32) if hits is None else np.clip(hits, 0, prompt - 1).astype(np.int32, copy=False),
        np.zeros(again, np.int8),
        np.zeros(again, np.int32),
    )


def joined(requests: Requests, loaded: int, added: Requests) -> Requests:
    """Return the traffic with more behind its first `loaded` requests; what room it has for them is used."""
    count = len(added.arrival)
    if loaded == 0:
        return added
    if len(added.hits) and not len(requests.hits):
        requests = requests._replace(hits=np.zeros(len(requests.arrival), np.int32))
    elif len(requests.hits) and not len(added.hits):
        added = added._replace(hits=np.zeros(count, np.int32))
    if loaded + count > len(requests.arrival):
        room = max(loaded + count, 2 * loaded)
        requests = Requests._make(grown(old, room if len(old) else 0) for old in requests)
    columns: zip[tuple[Any, Any]] = zip(requests, added, strict=True)
    for old, new in columns:
        if len(old):
            old[loaded : loaded + count] = new
    return requests


def grown(values: Array, length: int) -> Array:
    """Return the same values, and zeros behind them."""
    longer: Any = np.zeros(length, values.dtype)
    longer[: len(values)] = values
    return cast("Array", longer)


def _positive(tokens: ShortIntegers) -> ShortIntegers:
    if (tokens < 1).any():
        tokens = np.maximum(tokens, 1)
    return np.require(tokens, np.int32, ("C", "W"))


def histogram_bounds(queue_time: Sequence[float], first_token: Sequence[float], total: Sequence[float]) -> Floats:
    """Return the bounds of the three histograms as `Model.bounds` wants them; without the infinite one."""
    rows = (queue_time, first_token, total)
    bounds = np.full((3, 1 + max(map(len, rows))), math.inf)
    for row, values in enumerate(rows):
        bounds[row, : len(values)] = values
    return bounds.reshape(-1)


def plain(arrays: Arrays) -> Arrays:
    """Return the same memory as memoryviews, for the kernel in plain Python."""
    make: Any = type(arrays)
    fields: tuple[Any, ...] = arrays
    views: Arrays = make(*(memoryview(field) if hasattr(field, "dtype") else field for field in fields))
    return views
