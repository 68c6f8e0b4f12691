"""When ticks happen: one APScheduler job, one tick at a time, until somebody says stop."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apscheduler.schedulers.background import BackgroundScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

_JOB = "tick"
STOP_SECONDS = 8.0
"""How long a tick that is under way may take to come to its end when the daemon stops."""

logger = logging.getLogger(__name__)


class Loop:
    """Calls `tick` every `interval_seconds` of real time, give or take `jitter_seconds`.

    A tick runs in a thread of its own, which keeps the process alive no longer than it must. One that is due while
    another runs is left out, and `skipped` is told. An exception out of a tick is told to `failed`, and the next tick
    comes all the same; anything worse, such as SystemExit, ends the loop.
    """

    def __init__(
        self,
        tick: Callable[[], None],
        interval_seconds: float,
        jitter_seconds: float = 0.0,
        *,
        skipped: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._tick = tick
        self._interval_seconds = interval_seconds
        self._jitter_seconds = jitter_seconds
        self._skipped = skipped
        self._failed = failed
        self._running = threading.Lock()
        self._due_at = time.monotonic()
        self._fatal: BaseException | None = None
        self._stop = threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC)

    def run(self, stop: threading.Event, stopping: Callable[[], None]) -> None:
        """Tick until `stop` is set; then call `stopping` and wait for the tick under way, at most `STOP_SECONDS`.

        Raises:
            BaseException: what ended the loop, if it was not `stop`.
        """
        self._stop = stop
        self._scheduler.add_job(
            self._due,
            "interval",
            seconds=self._interval_seconds,
            jitter=self._jitter_seconds or None,
            id=_JOB,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=datetime.now(UTC),
        )
        self._scheduler.start()
        try:
            while not stop.wait(self._interval_seconds):
                self._nudge()
        finally:
            stopping()
            self._scheduler.shutdown(wait=False)
            if not self._running.acquire(timeout=STOP_SECONDS):
                logger.warning("the tick under way did not end within %g s: leaving it behind", STOP_SECONDS)
        if self._fatal is not None:
            raise self._fatal

    def _due(self) -> None:
        self._due_at = time.monotonic()
        if not self._running.acquire(blocking=False):
            self._skipped()
            return
        threading.Thread(target=self._run_tick, name="autoscaler-tick", daemon=True).start()

    def _run_tick(self) -> None:
        try:
            self._tick()
        except Exception as error:  # noqa: BLE001 - the next tick may succeed, and /healthz tells if none does
            self._failed(error)
        except BaseException as error:  # noqa: BLE001 - APScheduler would swallow it
            self._fatal = error
            self._stop.set()
        finally:
            self._running.release()

    def _nudge(self) -> None:
        """Make the job due if it has not been for long: the scheduler waits for a wall clock that was set back."""
        late_seconds = time.monotonic() - self._due_at
        if late_seconds > 2 * (self._interval_seconds + self._jitter_seconds):
            logger.warning("no tick was due for %.1f s: the clock was set back", late_seconds)
            self._due_at = time.monotonic()
            self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))
