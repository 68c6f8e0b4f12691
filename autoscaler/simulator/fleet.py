"""A simulated fleet behind its gateway: send it requests, let time pass, scale it, look at it."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.simulator import kernel
from autoscaler.simulator.arrays import (
    WHOLE,
    grow_fleet,
    grown,
    joined,
    new_book,
    new_fleet,
    new_requests,
    plain,
)
from autoscaler.simulator.look import snapshot, views
from autoscaler.simulator.views import Entry, Histogram, Lifetime, ReplicaState, ReplicaView, Results, Snapshot, States

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    from autoscaler.simulator.layout import Book, Fleet, Model, Requests

__all__ = [
    "Advance",
    "Entry",
    "Histogram",
    "Lifetime",
    "ReplicaState",
    "ReplicaView",
    "Results",
    "SimulatedFleet",
    "Snapshot",
    "States",
    "compiled_kernel",
]


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
        self._requests = joined(self._requests, loaded, added)
        self._views = None
        self._book.counts[kernel.LOADED] = loaded + count

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
            self._numbers = grown(self._numbers, 2 * used)
            self._created_at = grown(self._created_at, 2 * used)
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
        return snapshot(self.model, self._fleet, self._numbers, self._created_at, self.now)

    def replicas(self) -> list[ReplicaView]:
        """Return the live replicas as they are now, in the order of creation."""
        return views(self.model, self.snapshot())

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
