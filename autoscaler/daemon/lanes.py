"""Calls that run side by side, each in a lane of its own: one that hangs delays and silences no other.

A call that is not back at the deadline is left behind: its lane stays taken until it returns, so that whatever hangs
holds one thread for as long as it hangs and never a second one. The threads are daemons: none keeps the process alive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

WORKERS = 32
"""Calls that run at once; those that are slow do not count."""
SLOW_SECONDS = 0.5
"""A call that takes longer than this may be hung: another worker takes the place of its own."""


class Outcome(NamedTuple, Generic[T]):
    """What became of one call: a value, an error, or neither because it is not back yet."""

    value: T | None = None
    error: Exception | None = None
    late: str = ""
    """Why there is neither value nor error; empty when there is one."""
    begun: bool = True
    """False when the call was not made, and will not be."""


class Lanes(Generic[T]):
    """Runs calls by name, at most one of a name at a time."""

    def __init__(self, name: str, workers: int = WORKERS) -> None:
        self._name = name
        self._workers = workers
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    @property
    def taken(self) -> frozenset[str]:
        """The names of the calls that are not back."""
        with self._lock:
            return frozenset(self._taken)

    def run(self, calls: Mapping[str, Callable[[], T]], deadline_seconds: float) -> Mapping[str, Outcome[T]]:
        """Run every call whose lane is free; return what each became by the deadline, in the order of `calls`."""
        taken = self.taken
        batch = _Batch(self, {key: call for key, call in calls.items() if key not in taken})
        batch.run(self._workers, deadline_seconds)
        return batch.close(calls, taken)

    def enter(self, key: str) -> None:
        """Take a lane."""
        with self._lock:
            self._taken.add(key)

    def leave(self, key: str) -> None:
        """Free a lane."""
        with self._lock:
            self._taken.discard(key)

    def thread(self, work: Callable[[], None]) -> None:
        """Start one more worker."""
        threading.Thread(target=work, name=f"autoscaler-{self._name}", daemon=True).start()


class _Batch(Generic[T]):
    """The calls of one `run`: taken from a queue by workers until it is empty or closed."""

    def __init__(self, lanes: Lanes[T], calls: Mapping[str, Callable[[], T]]) -> None:
        self._lanes = lanes
        self._waiting = deque(calls.items())
        self._running: dict[str, float] = {}
        self._missing = len(calls)
        self._done: dict[str, Outcome[T]] = {}
        self._workers = 0
        self._changed = threading.Condition()

    def run(self, workers: int, deadline_seconds: float) -> None:
        """Return when every call is back, or at the deadline."""
        end = time.monotonic() + deadline_seconds
        with self._changed:
            while self._missing and (left := end - time.monotonic()) > 0:
                self._start(workers)
                self._changed.wait_for(lambda: not self._missing, timeout=min(left, SLOW_SECONDS))

    def close(self, calls: Mapping[str, Callable[[], T]], taken: frozenset[str]) -> Mapping[str, Outcome[T]]:
        """Let nothing more start, and return what is known."""
        with self._changed:
            left_behind: dict[str, Outcome[T]] = dict.fromkeys(calls, Outcome(late="not back within the deadline"))
            for key, _ in self._waiting:
                left_behind[key] = Outcome(late="not begun within the deadline", begun=False)
            for key in taken:
                left_behind[key] = Outcome(late="held up: the one before it is not back yet", begun=False)
            self._waiting.clear()
            return {key: self._done.get(key) or left_behind[key] for key in calls}

    def _start(self, workers: int) -> None:
        now = time.monotonic()
        slow = sum(now - since >= SLOW_SECONDS for since in self._running.values())
        wanted = min(workers + slow - self._workers, len(self._waiting))
        for _ in range(wanted):
            self._workers += 1
            self._lanes.thread(self._work)

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            key, call = taken
            try:
                outcome = Outcome(value=call())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this call's own
                outcome = Outcome(error=error)
            except BaseException as error:  # noqa: BLE001 - it would end this thread only, and never free the lane
                outcome = Outcome(error=RuntimeError(f"the call raised {error!r}"))
            self._finish(key, outcome)

    def _take(self) -> tuple[str, Callable[[], T]] | None:
        with self._changed:
            if not self._waiting:
                self._workers -= 1
                return None
            key, call = self._waiting.popleft()
            self._running[key] = time.monotonic()
            self._lanes.enter(key)
            return key, call

    def _finish(self, key: str, outcome: Outcome[T]) -> None:
        self._lanes.leave(key)
        with self._changed:
            del self._running[key]
            self._done[key] = outcome
            self._missing -= 1
            self._changed.notify_all()
