"""What a simulated fleet shows: its replicas, its requests, and their lives."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Bytes, Floats, Integers, ShortIntegers


class ReplicaState(StrEnum):
    """Where a replica is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """Takes no new request, finishes those it has."""
    GONE = "gone"


class States(NamedTuple):
    """How many replicas are in which state."""

    starting: int
    ready: int
    draining: int


class Histogram(NamedTuple):
    """A Prometheus histogram of durations in seconds."""

    bounds: tuple[float, ...]
    """Upper bounds, infinity last."""
    cumulative: tuple[int, ...]
    sum_seconds: float


class ReplicaView(NamedTuple):
    """One replica as its own metrics would show it; counters run since its creation."""

    number: int
    """Counts up from 0 in the order of creation; never used again."""
    state: ReplicaState
    created_at: float
    ready_at: float
    """When it became or will become ready."""
    waiting: int
    running: int
    """In prefill or decoding."""
    kv_tokens: int
    kv_utilization: float
    """In [0, 1]."""
    busy_seconds: float
    iterations: int
    completed: int
    preemptions: int
    prompt_tokens: int
    output_tokens: int
    queue_time: Histogram
    """Until admission; counted at admission."""
    first_token: Histogram
    total: Histogram


class Lifetime(NamedTuple):
    """From a replica's creation to its end; NaN for what has not come."""

    number: int
    created_at: float
    ready_at: float
    gone_at: float


class Results(NamedTuple):
    """What became of each request, in order of arrival; times in seconds on the fleet's clock."""

    arrival: Floats
    """Of the first try."""
    first_token: Floats
    """NaN if there was none."""
    finish: Floats
    """Last token, rejection or the client's leaving; NaN while pending."""
    outcome: Bytes
    """`kernel.PENDING`, `COMPLETED`, `REJECTED`, `TIMED_OUT` or `FAILED`: that of the last try."""
    prompt_tokens: ShortIntegers
    output_tokens: ShortIntegers


class Entry(NamedTuple):
    """One replica of the roster."""

    number: int
    state: int
    """`kernel.STARTING`, `READY` or `DRAINING`."""
    created_at: float
    ready_at: float


class Snapshot(NamedTuple):
    """The live replicas at one moment, one row each, in the order of creation."""

    at: float
    number: Integers
    state: Integers
    created_at: Floats
    ready_at: Floats
    waiting: Integers
    running: Integers
    held_tokens: Integers
    """Of the KV cache."""
    busy_seconds: Floats
    iterations: Integers
    completed: Integers
    preemptions: Integers
    prompt_tokens: Integers
    output_tokens: Integers
    histograms: Integers
    """Not cumulative; by replica, then (queue time, first token, total), then bucket."""
    histogram_sums: Floats
