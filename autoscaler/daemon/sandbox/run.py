"""`autoscaler run --sandbox`: the story, told on a terminal or in plain lines, until it is over or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from contextlib import contextmanager
from io import StringIO
from typing import IO, TYPE_CHECKING, NamedTuple

from autoscaler.daemon import logs
from autoscaler.daemon.clock import ScaledClock
from autoscaler.daemon.sandbox.screen import choose_screen
from autoscaler.daemon.sandbox.stage import Stage
from autoscaler.daemon.sandbox.summary import summary_lines
from autoscaler.daemon.sandbox.traffic import story_seconds
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME_SECONDS = 0.25
NEXT = (
    "Next:  autoscaler simulate     an hour of traffic in a second, by the same engine",
    "       autoscaler run --help   for a cluster of your own; --dry-run changes nothing",
)
_SPARE_SECONDS = 60.0
_JOIN_SECONDS = 15.0
_FASTEST = 100.0
"""Beyond this a tick takes longer than its interval."""


class SandboxOptions(NamedTuple):
    """What `autoscaler run --sandbox` takes."""

    speed: float = 30.0
    """Simulated seconds per second; the default tells the story in a minute."""
    duration_seconds: float | None = None
    """Real seconds; None for one telling of the story."""
    backend: str = "vllm"
    seed: int = 0
    dry_run: bool = False
    journal: Path | None = None


def run_sandbox(options: SandboxOptions, file: IO[str] | None = None) -> None:
    """Run until the time is over, or SIGINT or SIGTERM; print the summary at the end.

    Raises:
        UsageError: speed or duration is not allowed.
    """
    _check(options)
    file = sys.stdout if file is None else file
    simulated = story_seconds() if options.duration_seconds is None else options.duration_seconds * options.speed
    warnings = StringIO()
    logs.configure(logs.LogFormat.CONSOLE, level=logging.WARNING, stream=warnings)
    stop = threading.Event()
    with (
        _stopped_by_signals(stop),
        Stage(
            ScaledClock(options.speed),
            simulated,
            horizon_seconds=simulated + _SPARE_SECONDS * options.speed,
            backend=options.backend,
            seed=options.seed,
            dry_run=options.dry_run,
            journal=options.journal,
        ) as stage,
    ):
        _tell(stage, stop, file)
    if warnings.getvalue():
        sys.stderr.write(warnings.getvalue())


def _tell(stage: Stage, stop: threading.Event, file: IO[str]) -> None:
    """Run the daemon in a thread of its own, and show what it does."""
    failures: list[BaseException] = []
    thread = threading.Thread(target=_run_daemon, args=(stage, stop, failures), name="autoscaler-daemon", daemon=True)
    screen = choose_screen(file, stage.setting)
    lines: list[str] = []
    thread.start()
    try:
        while not stop.wait(FRAME_SECONDS):
            scene = stage.scene()
            if scene.elapsed_seconds >= stage.setting.duration_seconds:
                break
            screen.show(scene)
        lines = ["", *summary_lines(stage.summary(), stage.setting), "", *NEXT]
    finally:
        stop.set()
        thread.join(_JOIN_SECONDS)
        screen.close(lines)
    if failures:
        raise failures[0]


def _run_daemon(stage: Stage, stop: threading.Event, failures: list[BaseException]) -> None:
    try:
        stage.daemon.run(stop)
    except BaseException as error:  # noqa: BLE001 - the main thread raises it again
        failures.append(error)
    finally:
        stop.set()


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set the event instead of ending the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check(options: SandboxOptions) -> None:
    if not 0 < options.speed <= _FASTEST:
        raise UsageError(f"--speed: must be above 0 and at most {_FASTEST:g} (found {options.speed:g})")
    if options.duration_seconds is not None and not options.duration_seconds > 0:
        raise UsageError(f"--duration: must be above 0 seconds (found {options.duration_seconds:g})")
