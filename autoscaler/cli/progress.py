"""Long work on a terminal: a bar on standard error, and what Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.progress import TaskID


class Brake:
    """What Ctrl-C does: while the work is `gentle`, the first one asks it to stop where it may; otherwise it breaks in.

    The second one always breaks in.
    """

    def __init__(self) -> None:
        self.gentle = False
        self.pressed = False

    def press(self, _signal: int, _frame: FrameType | None) -> None:
        """Take note, or raise KeyboardInterrupt."""
        if self.pressed or not self.gentle:
            raise KeyboardInterrupt
        self.pressed = True


class Meter:
    """The bar: tasks one after the other, each counted up to 1."""

    def __init__(self, bar: Progress, task: TaskID, brake: Brake) -> None:
        self._bar = bar
        self._task = task
        self._brake = brake
        self._finished = 0

    def begin(self, tasks: int, description: str = "") -> None:
        """Begin again, with so many tasks."""
        self._finished = 0
        self._bar.reset(self._task, total=tasks, description=description)

    def __call__(self, policy: str, share: float) -> None:
        """Show how far a task is.

        Raises:
            KeyboardInterrupt: somebody asked to stop.
        """
        self._bar.update(self._task, description=policy, completed=self._finished + share)
        self._finished += share >= 1
        if self._brake.pressed:
            raise KeyboardInterrupt


@contextmanager
def brake() -> Iterator[Brake]:
    """Let Ctrl-C press the brake; outside of the main thread nothing is changed."""
    found = Brake()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = signal.signal(signal.SIGINT, found.press)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def meter(brake: Brake) -> Iterator[Meter]:
    """Show a bar on standard error while it is a terminal; it goes away when the work is done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Meter(bar, bar.add_task("", total=None), brake)
