"""A simulated fleet behind its gateway: send it requests, let time pass, scale it, look at it."""

from __future__ import annotations

import importlib
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.simulator import kernel
from autoscaler.simulator.layout import (
    WHOLE,
    Book,
    Bytes,
    Fleet,
    Floats,
    Integers,
    Model,
    Requests,
    ShortIntegers,
    grow_fleet,
    new_book,
    new_fleet,
    new_requests,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike


Array = TypeVar("Array", bound=np.ndarray[Any, Any])


class ReplicaState(StrEnum):
    """Where a replica is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """Takes no new request, finishes those it has."""
    GONE = "gone"


_STATES = {
    kernel.STARTING: ReplicaState.STARTING,
    kernel.READY: ReplicaState.READY,
    kernel.DRAINING: ReplicaState.DRAINING,
    kernel.GONE: ReplicaState.GONE,
}


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


class Advance(Protocol):
    """The kernel, in either mode."""

    def __call__(self, model: Model, fleet: Fleet, requests: Requests, book: Book, until_seconds: float) -> None:
        """Simulate in place."""


def compiled_kernel() -> Advance | None:
    """Return the kernel compiled by numba, or None where numba is not installed."""
    try:
        advance: Advance = importlib.import_module("autoscaler.simulator.compiled").advance
    except ImportError:
        return None
    return advance


class SimulatedFleet:
    """Replicas, their router and gateway; time starts at 0 and only `advance` and `scale_to` move it.

    `startup_seconds` yields the cold start of each replica in the order of creation. Without `compiled` the kernel runs
    in plain Python; the results are the same to the last bit.
    """

    def __init__(
        self, model: Model, startup_seconds: Iterator[float], *, seed: int = 0, compiled: Advance | None = None
    ) -> None:
        self.model = model
        self._startup_seconds = startup_seconds
        self._compiled = compiled
        self._fleet = new_fleet(8, model.max_sequences, len(model.bounds))
        self._numbers = np.full(8, -1, np.int64)
        self._created_at = np.zeros(8)
        self._book = new_book(seed)
        nothing = np.empty(0, np.int32)
        self._requests = new_requests(np.empty(0), nothing, nothing, retries=model.retries)
        self._created = 0
        self._past: list[Lifetime] = []
        self._past_busy_seconds = 0.0
        self._past_iterations = 0
        self._past_preemptions = 0
        self._views: tuple[Model, Fleet, Requests, Book] | None = None

    @property
    def now(self) -> float:
        """The fleet's clock, in seconds since its start."""
        return float(self._book.times[kernel.NOW])

    def add_requests(
        self,
        arrival_seconds: ArrayLike,
        prompt_tokens: ArrayLike,
        output_tokens: ArrayLike,
        hit_tokens: ArrayLike | None = None,
    ) -> None:
        """Append requests to come, sorted by arrival, none before the present or before those already added.

        An empty prompt or output counts as one token. `hit_tokens` of each prompt are in the prefix cache: they are
        not computed, but take their place in the KV cache; at least the last token of a prompt is computed. Arrays of
        the right types are used as they are: do not change them afterwards.

        Raises:
            TraceError: an arrival is out of order, or the lengths differ.
        """
        added = new_requests(
            np.asarray(arrival_seconds, np.float64),
            np.asarray(prompt_tokens, np.int32),
            np.asarray(output_tokens, np.int32),
            None if hit_tokens is None else np.asarray(hit_tokens, np.int32),
            retries=self.model.retries,
        )
        count, loaded = len(added.arrival), self.loaded
        if len(added.prompt) != count or len(added.output) != count:
            raise TraceError(f"{count} arrivals, {len(added.prompt)} prompts and {len(added.output)} outputs: one each")
        if count == 0:
            return
        earliest = max(self.now, float(self._requests.arrival[loaded - 1])) if loaded else self.now
        if added.arrival[0] < earliest or (added.arrival[1:] < added.arrival[:-1]).any():
            raise TraceError(
                f"arrivals must be sorted and not before {earliest:g} s (the first is {added.arrival[0]:g} s)"
            )
        self._store(added, loaded, count)
        self._book.counts[kernel.LOADED] = loaded + count

    def _store(self, added: Requests, loaded: int, count: int) -> None:
        if loaded and len(added.hits) and not len(self._requests.hits):
            self._requests = self._requests._replace(hits=np.zeros(len(self._requests.arrival), np.int32))
        elif len(self._requests.hits) and not len(added.hits):
            added = added._replace(hits=np.zeros(count, np.int32))
        if loaded == 0:
            self._requests = added
        else:
            if loaded + count > len(self._requests.arrival):
                room = max(loaded + count, 2 * loaded)
                self._requests = Requests._make(_grown(old, room if len(old) else 0) for old in self._requests)
            columns: zip[tuple[Any, Any]] = zip(self._requests, added, strict=True)
            for old, new in columns:
                if len(old):
                    old[loaded : loaded + count] = new
        self._views = None

    @property
    def loaded(self) -> int:
        """How many requests have been added."""
        return int(self._book.counts[kernel.LOADED])

    def advance(self, until_seconds: float) -> None:
        """Let time pass up to and including `until_seconds`."""
        if until_seconds < self.now:
            return
        if self._compiled is not None:
            self._compiled(self.model, self._fleet, self._requests, self._book, float(until_seconds))
            return
        kernel.advance(*self._plain(), float(until_seconds))

    def _plain(self) -> tuple[Model, Fleet, Requests, Book]:
        if self._views is None:
            self._views = (plain(self.model), plain(self._fleet), plain(self._requests), plain(self._book))
        return self._views

    def next_event(self) -> float:
        """Return the earliest moment after now at which anything can happen, or infinity if nothing is to come.

        That is an arrival, the start or end of an iteration, a replica's becoming ready, or a client's leaving a
        replica's queue. Iterations that start now, and wait to be formed, start at the next number after now.
        """
        following, ready = int(self._book.counts[kernel.NEXT]), float(self._book.times[kernel.NEXT_READY])
        arrival = float(self._requests.arrival[following]) if following < self.loaded else math.inf
        again = float(self._requests.due[self._requests.again[0]]) if self._book.counts[kernel.RETRYING] else math.inf
        at = min(float(self._fleet.next_event.min()), ready, arrival, again)
        return max(at, math.nextafter(self.now, math.inf))

    def scale_to(self, replicas: int, now: float) -> None:
        """Create or remove replicas until `replicas` are starting or ready.

        Those that start go first, the youngest before the others; then the ready ones with the fewest requests, which
        drain.
        """
        self.advance(now)
        live = np.flatnonzero(np.isin(self._fleet.state, (kernel.STARTING, kernel.READY)))
        for _ in range(replicas - len(live)):
            self._create(now)
        if replicas < len(live):
            order = sorted(live.tolist(), key=self._expendable)
            for slot in order[: len(live) - replicas]:
                self._remove(slot, now)
        self._refresh_book()

    def fail(self, replicas: int, now: float) -> None:
        """Let so many replicas die at once with the requests they have: the oldest that serve, then those that start.

        Each request fails, or its client tries again. Nothing takes the replicas' place by itself.
        """
        self.advance(now)
        live = np.flatnonzero(np.isin(self._fleet.state, (kernel.STARTING, kernel.READY)))
        order = sorted(
            live.tolist(), key=lambda slot: (self._fleet.state[slot] == kernel.STARTING, self._numbers[slot])
        )
        for slot in order[:replicas]:
            if self._fleet.state[slot] == kernel.STARTING:
                self._remove(slot, now)
            else:
                kernel.fail(*self._plain(), slot, now)
        self._refresh_book()

    def _expendable(self, slot: int) -> tuple[bool, int, int]:
        starting = self._fleet.state[slot] == kernel.STARTING
        return not starting, 0 if starting else int(self._fleet.outstanding[slot]), -int(self._numbers[slot])

    def _create(self, now: float) -> None:
        slot = self._free_slot()
        self._numbers[slot] = self._created
        self._created += 1
        self._created_at[slot] = now
        self._fleet.state[slot] = kernel.STARTING
        startup_seconds = next(self._startup_seconds)
        self._fleet.ready_at[slot] = now + startup_seconds
        cold_seconds = self.model.cold_seconds if startup_seconds > 0 else 0.0
        self._fleet.warm_at[slot] = self._fleet.ready_at[slot] + cold_seconds

    def _free_slot(self) -> int:
        used = int(self._book.counts[kernel.SLOTS])
        gone = np.flatnonzero(self._fleet.state[:used] == kernel.GONE)
        if len(gone):
            slot = int(gone[0])
            self._bury(slot)
            return slot
        if used == len(self._fleet.state):
            self._fleet = grow_fleet(self._fleet, 2 * used)
            self._numbers = _grown(self._numbers, 2 * used)
            self._created_at = _grown(self._created_at, 2 * used)
            self._views = None
        self._book.counts[kernel.SLOTS] = used + 1
        return used

    def _bury(self, slot: int) -> None:
        """Keep what must be remembered of a replica that is gone, and blank its slot."""
        fleet = self._fleet
        self._past.append(self._lifetime(slot))
        self._past_busy_seconds += float(fleet.busy_seconds[slot])
        self._past_iterations += int(fleet.clock[slot])
        self._past_preemptions += int(fleet.preemptions[slot])
        slots = len(fleet.state)
        blank = new_fleet(1, self.model.max_sequences, len(self.model.bounds))
        for name, values, fresh in zip(fleet._fields, fleet, blank, strict=True):
            if name not in WHOLE:
                width = len(values) // slots
                values[slot * width : (slot + 1) * width] = fresh

    def _remove(self, slot: int, now: float) -> None:
        if self._fleet.state[slot] == kernel.READY and self._fleet.outstanding[slot] > 0:
            self._fleet.state[slot] = kernel.DRAINING
            return
        if self._fleet.state[slot] == kernel.STARTING:
            self._fleet.ready_at[slot] = math.inf
        self._fleet.state[slot] = kernel.GONE
        self._fleet.gone_at[slot] = now

    def _refresh_book(self) -> None:
        """Tell the kernel which replicas take requests, and when the next one will."""
        counts, fleet = self._book.counts, self._fleet
        routable = fleet.routable[: counts[kernel.READY_COUNT]]
        kept = routable[fleet.state[routable] == kernel.READY]
        fleet.routable[: len(kept)] = kept
        counts[kernel.READY_COUNT] = len(kept)
        starting = fleet.ready_at[fleet.state == kernel.STARTING]
        self._book.times[kernel.NEXT_READY] = starting.min(initial=math.inf)
        kernel.arrange(*self._plain())

    def roster(self) -> list[Entry]:
        """Return who is there, in the order of creation: less than a snapshot, and quicker."""
        fleet, used = self._fleet, int(self._book.counts[kernel.SLOTS])
        columns = (self._numbers, fleet.state, self._created_at, fleet.ready_at)
        rows = map(Entry._make, zip(*(column[:used].tolist() for column in columns), strict=True))
        return sorted(row for row in rows if row.state not in (kernel.GONE, kernel.ABSENT))

    def waiting(self) -> int:
        """Return how many requests wait: at replicas that are there, and at the gateway."""
        fleet = self._fleet
        return int(fleet.waiting.sum() + fleet.preempted.sum()) + self.gateway_waiting()

    def states(self) -> States:
        """Return how many replicas start, serve and drain."""
        codes = self._fleet.state.tolist()
        return States(codes.count(kernel.STARTING), codes.count(kernel.READY), codes.count(kernel.DRAINING))

    def gateway_waiting(self) -> int:
        """Return how many requests the gateway holds because no replica is ready."""
        return int(self._book.counts[kernel.HELD])

    def snapshot(self) -> Snapshot:
        """Return the live replicas as they are now, iterations in progress included."""
        fleet, used = self._fleet, int(self._book.counts[kernel.SLOTS])
        state = fleet.state[:used]
        slots = np.flatnonzero((state != kernel.GONE) & (state != kernel.ABSENT))
        slots = slots[np.argsort(self._numbers[slots])]
        done, busy = _progress(fleet, slots, self.now)
        tokens = done * fleet.batch[slots]
        return Snapshot(
            self.now,
            self._numbers[slots],
            state[slots],
            self._created_at[slots],
            fleet.ready_at[slots],
            fleet.waiting[slots] + fleet.preempted[slots],
            fleet.batch[slots] + fleet.fresh_count[slots] + (fleet.partial[slots] >= 0),
            fleet.held[slots] + (0 if self.model.conservative else tokens),
            fleet.busy_seconds[slots] + busy,
            fleet.clock[slots] + done,
            fleet.completed[slots],
            fleet.preemptions[slots],
            fleet.prompt_tokens[slots],
            fleet.output_tokens[slots] + tokens,
            fleet.histograms.reshape(len(fleet.state), 3, -1)[slots],
            fleet.histogram_sums.reshape(len(fleet.state), 3)[slots],
        )

    def replicas(self) -> list[ReplicaView]:
        """Return the live replicas as they are now, in the order of creation."""
        return [self._view(row) for row in zip(*self.snapshot()[1:], strict=True)]

    def _view(self, row: tuple[Any, ...]) -> ReplicaView:
        number, state, created_at, ready_at, waiting, running, held, busy, iterations, completed, preempted = row[:11]
        prompt_tokens, output_tokens, counts, sums = row[11:]
        bounds = self.model.bounds.reshape(3, -1)
        queue_time, first_token, total = (_histogram(bounds[which], counts[which], sums[which]) for which in range(3))
        return ReplicaView(
            int(number),
            _STATES[int(state)],
            float(created_at),
            float(ready_at),
            int(waiting),
            int(running),
            int(held),
            int(held) / self.model.kv_tokens,
            float(busy),
            int(iterations),
            int(completed),
            int(preempted),
            int(prompt_tokens),
            int(output_tokens),
            queue_time,
            first_token,
            total,
        )

    def results(self) -> Results:
        """Return what became of the requests so far, as views that later calls change."""
        every, loaded = self._requests, self.loaded
        columns = (every.arrival, every.first, every.finish, every.outcome, every.prompt, every.output)
        return Results._make(column[:loaded] for column in columns)

    def lifetimes(self) -> list[Lifetime]:
        """Return the life of every replica there ever was, in the order of creation."""
        slots = range(int(self._book.counts[kernel.SLOTS]))
        return sorted([*self._past, *(self._lifetime(slot) for slot in slots)])

    def _lifetime(self, slot: int) -> Lifetime:
        ready_at, gone_at = float(self._fleet.ready_at[slot]), float(self._fleet.gone_at[slot])
        return Lifetime(
            int(self._numbers[slot]),
            float(self._created_at[slot]),
            ready_at if ready_at <= self.now else math.nan,
            gone_at if gone_at <= self.now else math.nan,
        )

    def busy_seconds(self) -> float:
        """Return the time all replicas ever spent in finished iterations."""
        return self._past_busy_seconds + float(self._fleet.busy_seconds.sum())

    def iterations(self) -> int:
        """Return the finished iterations of all replicas ever."""
        return self._past_iterations + int(self._fleet.clock.sum())

    def retries(self) -> int:
        """Return how often a request was sent again."""
        return int(self._book.counts[kernel.RETRIED])

    def preemptions(self) -> int:
        """Return how often a request was preempted."""
        return self._past_preemptions + int(self._fleet.preemptions.sum())


def _grown(values: Array, length: int) -> Array:
    grown: Any = np.zeros(length, values.dtype)
    grown[: len(values)] = values
    return cast("Array", grown)


def _progress(fleet: Fleet, slots: Integers, at: float) -> tuple[Integers, Floats]:
    """Return the iterations ended, and the seconds spent, in jumps that are under way."""
    running = fleet.phase[slots] == kernel.RUNNING
    elapsed = np.where(running, at - fleet.begin[slots], 0.0)
    growth, step = fleet.growth[slots], fleet.step[slots]
    linear = step - growth
    root = (np.sqrt(linear * linear + 4.0 * growth * elapsed) - linear) / np.where(growth > 0, 2.0 * growth, 1.0)
    ended = np.where(growth > 0, root, elapsed / np.where(step > 0, step, 1.0))
    jumping = running & (fleet.prefill[slots] == 0)
    return np.where(jumping, np.minimum(ended.astype(np.int64), fleet.steps[slots]), 0), elapsed


def _histogram(bounds: Floats, counts: Integers, sum_seconds: float) -> Histogram:
    finite = int(np.isfinite(bounds).sum())
    edges = (*bounds[:finite].tolist(), math.inf)
    return Histogram(edges, tuple(np.cumsum(counts[: finite + 1]).tolist()), float(sum_seconds))
