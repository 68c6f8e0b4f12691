"""The arrays that the kernel works on, and how they are laid out.

All are flat. What belongs to a replica stands at its slot; what is a list per replica stands at `slot · width`. The
same memory is seen as numpy arrays by the compiled kernel and as memoryviews by plain Python, where a memoryview's
element is a Python number and costs half of a numpy scalar.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

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
