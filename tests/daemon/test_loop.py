"""The loop: ticks come, one at a time, and nothing that goes wrong with one ends it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from autoscaler.daemon import loop as loop_module
from autoscaler.daemon.loop import Loop
from tests.daemon.world import Gate


class Runner:
    """A loop in a thread, and what it told."""

    def __init__(self, tick, interval_seconds=0.02) -> None:
        self.stop = threading.Event()
        self.stopping = threading.Event()
        self.skipped = threading.Semaphore(0)
        self.failures: list[Exception] = []
        self.raised: BaseException | None = None
        self.loop = Loop(tick, interval_seconds, skipped=self.skipped.release, failed=self.failures.append)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.loop.run(self.stop, self.stopping.set)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.raised = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_ticks_until_stopped():
    """The first tick comes at once, more follow, and none after the stop."""
    ticks = threading.Semaphore(0)
    runner = Runner(ticks.release)
    for _ in range(5):
        assert ticks.acquire(timeout=10)
    runner.end()
    while ticks.acquire(blocking=False):
        pass
    assert not ticks.acquire(timeout=0.1)


def test_an_exception_is_told_and_the_next_tick_comes():
    """A tick that raises is not the last one."""
    ticks = threading.Semaphore(0)

    def tick():
        ticks.release()
        raise ValueError("a bug")

    runner = Runner(tick)
    for _ in range(3):
        assert ticks.acquire(timeout=10)
    runner.end()
    assert str(runner.failures[0]) == "a bug"
    assert runner.raised is None


def test_worse_than_an_exception_ends_the_loop():
    """SystemExit out of a tick, which a scheduler would swallow, comes out of `run`."""

    def tick():
        raise SystemExit(3)

    runner = Runner(tick)
    runner.thread.join(20)
    assert isinstance(runner.raised, SystemExit)


def test_one_tick_at_a_time():
    """While a tick hangs the next ones are left out and counted; afterwards they go on."""
    gate, ticks = Gate(), threading.Semaphore(0)

    def tick():
        ticks.release()
        gate()

    runner = Runner(tick)
    assert ticks.acquire(timeout=10)
    for _ in range(3):
        assert runner.skipped.acquire(timeout=10)
    assert not ticks.acquire(blocking=False)
    gate.open()
    assert ticks.acquire(timeout=10)
    runner.end()


def test_stop_waits_for_the_tick_under_way():
    """`run` returns after the tick that was running has come to its end, and that tick was told."""
    gate, ended = Gate(), threading.Event()

    def tick():
        gate()
        ended.set()

    runner = Runner(tick, interval_seconds=60)
    assert gate.entered.acquire(timeout=10)
    runner.stop.set()
    assert runner.stopping.wait(10)
    assert runner.thread.is_alive()
    gate.open()
    runner.end()
    assert ended.is_set()


def test_a_hung_tick_does_not_keep_the_loop(monkeypatch):
    """A tick that never ends is left behind after the time allowed."""
    monkeypatch.setattr(loop_module, "STOP_SECONDS", 0.05)
    gate = Gate()
    runner = Runner(gate, interval_seconds=60)
    assert gate.entered.acquire(timeout=10)
    runner.end()
    gate.open()


def test_a_wall_clock_set_back_does_not_stop_the_ticks():
    """The scheduler waits for a wall clock that was set back by a day; the loop makes the tick due by itself."""
    ticks = threading.Semaphore(0)
    runner = Runner(ticks.release, interval_seconds=0.1)
    assert ticks.acquire(timeout=10)
    runner.loop._scheduler.modify_job("tick", next_run_time=datetime.now(UTC) + timedelta(days=1))
    # at most one tick was under way already
    for _ in range(3):
        assert ticks.acquire(timeout=10)
    runner.end()


@pytest.mark.parametrize("jitter", [0.0, 0.01])
def test_jitter(jitter):
    """Jitter moves ticks, and drops none."""
    ticks = threading.Semaphore(0)
    stop = threading.Event()
    loop = Loop(ticks.release, 0.03, jitter, skipped=lambda: None, failed=lambda error: None)
    thread = threading.Thread(target=loop.run, args=(stop, lambda: None), daemon=True)
    thread.start()
    for _ in range(5):
        assert ticks.acquire(timeout=10)
    stop.set()
    thread.join(20)
