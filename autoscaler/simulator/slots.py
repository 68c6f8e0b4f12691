"""Which replica has which slot of the kernel's arrays, and what is remembered when another one takes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.simulator import kernel
from autoscaler.simulator.arrays import blank_slot, grow_fleet, grown, new_fleet
from autoscaler.simulator.views import Entry, Lifetime

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Model

_AT_FIRST = 8


class Slots:
    """The replicas that are there, by slot, and the lives of all that ever were."""

    def __init__(self, model: Model, book: Book) -> None:
        self.arrays = new_fleet(_AT_FIRST, model.max_sequences, len(model.bounds))
        """Other ones after every `start` that finds no slot free."""
        self.numbers = np.full(_AT_FIRST, -1, np.int64)
        self.created_at = np.zeros(_AT_FIRST)
        self._book = book
        self._created = 0
        self._past: list[Lifetime] = []
        self._past_busy_seconds = 0.0
        self._past_iterations = 0
        self._past_preemptions = 0

    def start(self, now: float, ready_at: float, warm_at: float) -> None:
        """Give a slot to a new replica."""
        slot = self._free_slot()
        self.numbers[slot] = self._created
        self._created += 1
        self.created_at[slot] = now
        self.arrays.state[slot] = kernel.STARTING
        self.arrays.ready_at[slot] = ready_at
        self.arrays.warm_at[slot] = warm_at

    def stop(self, slot: int, now: float) -> None:
        """Let a replica drain that has requests; any other one is gone at once."""
        if self.arrays.state[slot] == kernel.READY and self.arrays.outstanding[slot] > 0:
            self.arrays.state[slot] = kernel.DRAINING
            return
        if self.is_starting(slot):
            self.arrays.ready_at[slot] = math.inf
        self.arrays.state[slot] = kernel.GONE
        self.arrays.gone_at[slot] = now

    def is_starting(self, slot: int) -> bool:
        """Return whether the slot's replica is not ready yet."""
        return bool(self.arrays.state[slot] == kernel.STARTING)

    def live(self) -> list[int]:
        """Return the slots of replicas that start or are ready."""
        live: list[int] = np.flatnonzero(np.isin(self.arrays.state, (kernel.STARTING, kernel.READY))).tolist()
        return live

    def most_expendable(self) -> list[int]:
        """Return the live slots: those that start first, the youngest before the others, then by requests."""
        return sorted(self.live(), key=self._expendable)

    def _expendable(self, slot: int) -> tuple[bool, int, int]:
        starting = self.is_starting(slot)
        return not starting, 0 if starting else int(self.arrays.outstanding[slot]), -int(self.numbers[slot])

    def longest_serving(self) -> list[int]:
        """Return the live slots: those that serve first, the oldest before the others."""
        return sorted(self.live(), key=lambda slot: (self.is_starting(slot), self.numbers[slot]))

    def _free_slot(self) -> int:
        used = self._used
        gone = np.flatnonzero(self.arrays.state[:used] == kernel.GONE)
        if len(gone):
            slot = int(gone[0])
            self._bury(slot)
            return slot
        if used == len(self.arrays.state):
            self._grow(2 * used)
        self._book.counts[kernel.SLOTS] = used + 1
        return used

    @property
    def _used(self) -> int:
        return int(self._book.counts[kernel.SLOTS])

    def _grow(self, slots: int) -> None:
        self.arrays = grow_fleet(self.arrays, slots)
        self.numbers = grown(self.numbers, slots)
        self.created_at = grown(self.created_at, slots)

    def _bury(self, slot: int) -> None:
        """Keep what must be remembered of a replica that is gone, and blank its slot."""
        self._past.append(self._lifetime(slot))
        self._past_busy_seconds += float(self.arrays.busy_seconds[slot])
        self._past_iterations += int(self.arrays.clock[slot])
        self._past_preemptions += int(self.arrays.preemptions[slot])
        blank_slot(self.arrays, slot)

    def roster(self) -> list[Entry]:
        """Return who is there, in the order of creation."""
        columns = (self.numbers, self.arrays.state, self.created_at, self.arrays.ready_at)
        rows = map(Entry._make, zip(*(column[: self._used].tolist() for column in columns), strict=True))
        return sorted(row for row in rows if row.state not in (kernel.GONE, kernel.ABSENT))

    def lifetimes(self) -> list[Lifetime]:
        """Return the life of every replica there ever was, in the order of creation."""
        return sorted([*self._past, *map(self._lifetime, range(self._used))])

    def _lifetime(self, slot: int) -> Lifetime:
        ready_at, gone_at = float(self.arrays.ready_at[slot]), float(self.arrays.gone_at[slot])
        now = float(self._book.times[kernel.NOW])
        return Lifetime(
            int(self.numbers[slot]),
            float(self.created_at[slot]),
            ready_at if ready_at <= now else math.nan,
            gone_at if gone_at <= now else math.nan,
        )

    def busy_seconds(self) -> float:
        """Return the time all replicas ever spent in finished iterations."""
        return self._past_busy_seconds + float(self.arrays.busy_seconds.sum())

    def iterations(self) -> int:
        """Return the finished iterations of all replicas ever."""
        return self._past_iterations + int(self.arrays.clock.sum())

    def preemptions(self) -> int:
        """Return how often a request was preempted."""
        return self._past_preemptions + int(self.arrays.preemptions.sum())
