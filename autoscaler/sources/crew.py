"""Worker threads that never do the same thing twice at once, and a caller that never waits past its deadline."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from autoscaler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Key = TypeVar("Key")
"""What tells jobs apart; hashable."""
Tool = TypeVar("Tool")
Result = TypeVar("Result")


class _Flight(NamedTuple):
    future: Future[object]
    started: float
    """Of the monotonic clock."""


class Crew(Generic[Key, Tool, Result]):
    """A bounded crew of threads, each with a tool of its own (a connection), working off jobs by key.

    What does not come back by the deadline is left behind, and its key is refused until it has come back: however
    long something hangs, it holds one thread. The threads are daemons, so that a hung one cannot keep the process.
    Several callers may run jobs at once.
    """

    def __init__(
        self,
        name: str,
        size: int,
        make_tool: Callable[[], Tool],
        drop_tool: Callable[[Tool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._size = size
        self._make_tool = make_tool
        self._drop_tool = drop_tool
        self._clock = clock
        self._jobs: queue.SimpleQueue[tuple[Future[object], Callable[[Tool], object]] | None] = queue.SimpleQueue()
        self._flights: dict[Key, _Flight] = {}
        self._threads: list[threading.Thread] = []
        self._failed: set[Key] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self, jobs: Mapping[Key, Callable[[Tool], Result]], deadline_seconds: float
    ) -> dict[Key, Result | SourceError]:
        """Return each job's result, or why there is none, within `deadline_seconds`.

        Jobs start in their order, but those that failed at the last run come after all others: with more of them than
        threads, and each as slow as its timeout, they would otherwise silence the rest.
        """
        with self._lock:
            if self._closed:
                return {key: SourceError("the source is closed") for key in jobs}
            self._flights = {key: flight for key, flight in self._flights.items() if not flight.future.done()}
            results: dict[Key, Result | SourceError] = {key: self._hung(key) for key in jobs if key in self._flights}
            waiting = sorted((key for key in jobs if key not in results), key=self._failed.__contains__)
            futures = {key: self._submit(key, jobs[key]) for key in waiting}
        wait(futures.values(), timeout=deadline_seconds)
        with self._lock:
            for key, future in futures.items():
                results[key] = self._landed(key, future, deadline_seconds)
            # A job that nobody got round to has not failed: it is the others' victim.
            self._failed = {
                key
                for key, result in results.items()
                if isinstance(result, SourceError) and not (key in futures and futures[key].cancelled())
            }
        return results

    def close(self) -> None:
        """Let the threads end: those at rest at once, a hung one when it comes back."""
        with self._lock:
            self._closed = True
            for flight in self._flights.values():
                flight.future.cancel()
            for _ in self._threads:
                self._jobs.put(None)
            busy = any(flight.future.running() for flight in self._flights.values())
        if not busy:
            for thread in self._threads:
                thread.join()

    def _hung(self, key: Key) -> SourceError:
        seconds = self._clock() - self._flights[key].started
        return SourceError(f"still no answer to the request of {seconds:.1f} s ago")

    def _submit(self, key: Key, job: Callable[[Tool], object]) -> Future[object]:
        future: Future[object] = Future()
        self._flights[key] = _Flight(future, self._clock())
        self._jobs.put((future, job))
        if len(self._threads) < self._size and len(self._threads) < self._unfinished():
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _unfinished(self) -> int:
        return sum(not flight.future.done() for flight in self._flights.values())

    def _landed(self, key: Key, future: Future[object], deadline_seconds: float) -> Result | SourceError:
        if not future.done():
            if future.cancel():
                self._flights.pop(key, None)
                return SourceError(f"not asked: all {self._size} connections were busy for {deadline_seconds:g} s")
            return SourceError(f"no answer within {deadline_seconds:g} s")
        self._flights.pop(key, None)
        error = future.exception()
        if error is None:
            return future.result()  # type: ignore[return-value]  # what the job of this key returns
        if isinstance(error, SourceError):
            return error
        return SourceError(f"{type(error).__name__}: {error}")

    def _work(self) -> None:
        tool: Tool | None = None
        while (item := self._jobs.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if tool is None:
                    tool = self._make_tool()
                result = job(tool)
            except BaseException as error:  # noqa: BLE001 - whatever it was, it belongs to the one who asked
                future.set_exception(error)
            else:
                future.set_result(result)
            del item, future, job
        if tool is not None:
            self._drop_tool(tool)
