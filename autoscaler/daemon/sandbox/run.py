"""`autoscaler run --sandbox`: the story, told on a terminal or in plain lines, until it is over or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from contextlib import contextmanager
from functools import partial
from io import StringIO
from typing import IO, TYPE_CHECKING, NamedTuple

from autoscaler.daemon import logs
from autoscaler.daemon.clock import ScaledClock
from autoscaler.daemon.sandbox.sandbox import Sandbox
from autoscaler.daemon.sandbox.screen import choose_screen
from autoscaler.daemon.sandbox.summary import summary_lines
from autoscaler.daemon.sandbox.traffic import story_seconds
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FRAME_SECONDS = 0.25
NEXT = (
    "Next:  autoscaler simulate     an hour of traffic in seconds, by the engine",
    "       autoscaler run --help   for your own cluster; --dry-run changes nothing",
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
    with (
        _signals() as received,
        Sandbox(
            ScaledClock(options.speed),
            simulated,
            horizon_seconds=simulated + _SPARE_SECONDS * options.speed,
            backend=options.backend,
            seed=options.seed,
            dry_run=options.dry_run,
            journal=options.journal,
        ) as sandbox,
    ):
        _tell(sandbox, received, file)
    if warnings.getvalue():
        sys.stderr.write(warnings.getvalue())


def _tell(sandbox: Sandbox, received: Sequence[int], file: IO[str]) -> None:
    """Run the daemon in a thread of its own, and show what it does."""
    stop = threading.Event()
    failures: list[BaseException] = []
    work = partial(_run_daemon, sandbox, stop, failures)
    thread = threading.Thread(target=work, name="autoscaler-daemon", daemon=True)
    screen = choose_screen(file, sandbox.setting)
    lines: list[str] = []
    thread.start()
    try:
        while not stop.wait(FRAME_SECONDS) and not received:
            scene = sandbox.scene()
            if scene.elapsed_seconds >= sandbox.setting.duration_seconds:
                break
            screen.show(scene)
        lines = ["", *summary_lines(sandbox.summary(), sandbox.setting), "", *NEXT]
    finally:
        stop.set()
        thread.join(_JOIN_SECONDS)
        screen.close(lines)
    if failures:
        raise failures[0]


def _run_daemon(sandbox: Sandbox, stop: threading.Event, failures: list[BaseException]) -> None:
    try:
        sandbox.daemon.run(stop)
    except BaseException as error:  # noqa: BLE001 - the main thread raises it again
        failures.append(error)
    finally:
        stop.set()


@contextmanager
def _signals() -> Iterator[Sequence[int]]:
    """Collect SIGINT and SIGTERM in a list instead of ending the process; a second one ends it at once.

    A list, because setting an event inside of a handler can wait for the very lock that the interrupted thread holds.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def receive(number: int, _frame: object) -> None:
        received.append(number)
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    for number in before:
        signal.signal(number, receive)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check(options: SandboxOptions) -> None:
    if not 0 < options.speed <= _FASTEST:
        raise UsageError(f"--speed: must be above 0 and at most {_FASTEST:g} (found {options.speed:g})")
    if options.duration_seconds is not None and not options.duration_seconds > 0:
        raise UsageError(f"--duration: must be above 0 seconds (found {options.duration_seconds:g})")
