"""A simulated fleet behind its gateway: send it requests, let time pass, scale it, look at it."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.simulator import kernel
from autoscaler.simulator.arrays import joined, new_book, new_requests, plain
from autoscaler.simulator.look import snapshot, views
from autoscaler.simulator.slots import Slots
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
        self._book = new_book(seed)
        self._slots = Slots(model, self._book)
        nothing = np.empty(0, np.int32)
        self._requests = new_requests(np.empty(0), nothing, nothing, retries=model.retries)
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
            self._compiled(self.model, self._slots.arrays, self._requests, self._book, float(until_seconds))
            return
        kernel.advance(*self._plain(), float(until_seconds))

    def _plain(self) -> tuple[Model, Fleet, Requests, Book]:
        if self._views is None:
            self._views = (plain(self.model), plain(self._slots.arrays), plain(self._requests), plain(self._book))
        return self._views

    def next_event(self) -> float:
        """Return the earliest moment after now at which anything can happen, or infinity if nothing is to come.

        That is an arrival, the start or end of an iteration, a replica's becoming ready, or a client's leaving a
        replica's queue. Iterations that start now, and wait to be formed, start at the next number after now.
        """
        following, ready = int(self._book.counts[kernel.NEXT]), float(self._book.times[kernel.NEXT_READY])
        arrival = float(self._requests.arrival[following]) if following < self.loaded else math.inf
        again = float(self._requests.due[self._requests.again[0]]) if self._book.counts[kernel.RETRYING] else math.inf
        at = min(float(self._slots.arrays.next_event.min()), ready, arrival, again)
        return max(at, math.nextafter(self.now, math.inf))

    def scale_to(self, replicas: int, now: float) -> None:
        """Create or remove replicas until `replicas` are starting or ready.

        Those that start go first, the youngest before the others; then the ready ones with the fewest requests, which
        drain.
        """
        self.advance(now)
        live = len(self._slots.live())
        for _ in range(replicas - live):
            self._create(now)
        if replicas < live:
            for slot in self._slots.most_expendable()[: live - replicas]:
                self._slots.stop(slot, now)
        self._refresh_book()

    def fail(self, replicas: int, now: float) -> None:
        """Let so many replicas die at once with the requests they have: the oldest that serve, then those that start.

        Each request fails, or its client tries again. Nothing takes the replicas' place by itself.
        """
        self.advance(now)
        for slot in self._slots.longest_serving()[:replicas]:
            if self._slots.is_starting(slot):
                self._slots.stop(slot, now)
            else:
                kernel.fail(*self._plain(), slot, now)
        self._refresh_book()

    def _create(self, now: float) -> None:
        startup_seconds = next(self._startup_seconds)
        ready_at = now + startup_seconds
        cold_seconds = self.model.cold_seconds if startup_seconds > 0 else 0.0
        self._slots.start(now, ready_at, ready_at + cold_seconds)
        # where no slot was free there are other arrays now
        self._views = None

    def _refresh_book(self) -> None:
        """Tell the kernel which replicas take requests, and when the next one will."""
        counts, fleet = self._book.counts, self._slots.arrays
        routable = fleet.routable[: counts[kernel.READY_COUNT]]
        kept = routable[fleet.state[routable] == kernel.READY]
        fleet.routable[: len(kept)] = kept
        counts[kernel.READY_COUNT] = len(kept)
        starting = fleet.ready_at[fleet.state == kernel.STARTING]
        self._book.times[kernel.NEXT_READY] = starting.min(initial=math.inf)
        kernel.arrange(*self._plain())

    def roster(self) -> list[Entry]:
        """Return who is there, in the order of creation: less than a snapshot, and quicker."""
        return self._slots.roster()

    def waiting(self) -> int:
        """Return how many requests wait: at replicas that are there, and at the gateway."""
        fleet = self._slots.arrays
        return int(fleet.waiting.sum() + fleet.preempted.sum()) + self.gateway_waiting()

    def states(self) -> States:
        """Return how many replicas start, serve and drain."""
        codes = self._slots.arrays.state.tolist()
        return States(codes.count(kernel.STARTING), codes.count(kernel.READY), codes.count(kernel.DRAINING))

    def gateway_waiting(self) -> int:
        """Return how many requests the gateway holds because no replica is ready."""
        return int(self._book.counts[kernel.HELD])

    def snapshot(self) -> Snapshot:
        """Return the live replicas as they are now, iterations in progress included."""
        slots = self._slots
        return snapshot(self.model, slots.arrays, slots.numbers, slots.created_at, self.now)

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
        return self._slots.lifetimes()

    def busy_seconds(self) -> float:
        """Return the time all replicas ever spent in finished iterations."""
        return self._slots.busy_seconds()

    def iterations(self) -> int:
        """Return the finished iterations of all replicas ever."""
        return self._slots.iterations()

    def retries(self) -> int:
        """Return how often a request was sent again."""
        return int(self._book.counts[kernel.RETRIED])

    def preemptions(self) -> int:
        """Return how often a request was preempted."""
        return self._slots.preemptions()
