"""Kubernetes Events about targets: throttled, posted from a thread of their own, never in the way of a tick."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.cluster.port import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.cluster.facts import TargetRef

SCALED_UP = "ScaledUp"
SCALED_DOWN = "ScaledDown"
WOULD_SCALE = "WouldScale"
SCALE_FAILED = "ScaleFailed"
TARGET_MISSING = "TargetMissing"
CLOCK_STEP = "ClockStep"
NOT_ALL_READ = "NotAllRead"
DECISION_FAILED = "DecisionFailed"
RELOAD_FAILED = "ReloadFailed"
RELOADED = "Reloaded"
FLOOR_ADVISED = "FloorAdvised"
"""The reasons of the daemon's own Events, as constants; the engine's notices bring theirs."""

REPEAT_SECONDS = 600.0
"""The same words about the same target are posted once in this time."""
CAPACITY = 2000
"""Events that wait to be posted; more are dropped and counted."""
DEADLINE_SECONDS = 2.0

_NORMAL = frozenset({SCALED_UP, SCALED_DOWN, WOULD_SCALE, RELOADED, FLOOR_ADVISED})


class Event(NamedTuple):
    """One thing to say about one target."""

    target: TargetRef
    reason: str
    message: str

    @property
    def kind(self) -> EventType:
        """Normal for what is meant to happen, Warning for the rest."""
        return EventType.NORMAL if self.reason in _NORMAL else EventType.WARNING


class Throttle:
    """Remembers what was said, and lets the same words pass once in `REPEAT_SECONDS`."""

    def __init__(self) -> None:
        self._said: dict[Event, float] = {}

    def passes(self, event: Event, now: float) -> bool:
        """Return whether the event is to be posted at `now`, and remember it if so."""
        said_at = self._said.get(event)
        if said_at is not None and 0 <= now - said_at < REPEAT_SECONDS:
            return False
        self._said[event] = now
        return True

    def tidy(self, now: float) -> None:
        """Forget what was said so long ago that it may be said again."""
        self._said = {event: at for event, at in self._said.items() if now - at < REPEAT_SECONDS}


class Events:
    """Posts Events in the order they came; `failed` hears of those that could not be."""

    def __init__(
        self,
        post: Callable[[TargetRef, str, str, EventType, float], str | None],
        failed: Callable[[Event, str], None],
    ) -> None:
        self._post = post
        self._failed = failed
        self._throttle = Throttle()
        self._queue: queue.Queue[Event | None] = queue.Queue(CAPACITY)
        self._thread = threading.Thread(target=self._work, name="autoscaler-events", daemon=True)
        self._thread.start()

    def say(self, target: TargetRef, reason: str, message: str, now: float) -> None:
        """Post an Event unless the same was said within the last ten minutes; returns at once."""
        event = Event(target, reason, message)
        if not self._throttle.passes(event, now):
            return
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._failed(event, f"{CAPACITY} Events are waiting already")

    def tidy(self, now: float) -> None:
        """Forget old words; once a tick."""
        self._throttle.tidy(now)

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until all that was said is posted; return whether it was in time."""
        end = time.monotonic() + timeout_seconds
        while self._queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)
        return not self._queue.unfinished_tasks

    def close(self, timeout_seconds: float) -> None:
        """Post what is left, within the time given, and stop."""
        if self.drain(timeout_seconds):
            self._queue.put(None)
            self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                why = self._post(event.target, event.reason, event.message, event.kind, DEADLINE_SECONDS)
            except Exception as error:  # noqa: BLE001 - an Event that cannot be posted is never worth a thread
                why = f"{type(error).__name__}: {error}"
            if why is not None:
                self._failed(event, why)
            self._queue.task_done()
        self._queue.task_done()
