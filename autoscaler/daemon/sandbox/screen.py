"""Where the scenes are shown: live on a terminal, or as plain lines anywhere else."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Protocol

from rich.console import Console
from rich.live import Live

from autoscaler.daemon.sandbox.plain import change_line, news, opening, status
from autoscaler.daemon.sandbox.view import ROWS, WIDTH, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.daemon.sandbox.scene import Scene, Setting

STATUS_SECONDS = 5.0
"""Of real time, between two plain lines of state."""


class Screen(Protocol):
    """Shows one scene after the other."""

    def show(self, scene: Scene) -> None:
        """Show the present state."""

    def close(self, lines: Sequence[str]) -> None:
        """End, and leave these lines behind."""


class LiveScreen:
    """Draws over the whole terminal, and gives it back as it was."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._live.start()
        self._scene: Scene | None = None

    def show(self, scene: Scene) -> None:
        """Draw the scene in the terminal's present size."""
        self._scene = scene
        width, rows = self._console.size
        self._live.update(draw(scene, width, rows), refresh=True)

    def close(self, lines: Sequence[str]) -> None:
        """Leave the alternate screen, and print all changes and the lines below what stood there before."""
        self._live.stop()
        changes = map(change_line, self._scene.changes) if self._scene else ()
        for line in (*changes, *lines):
            self._console.print(line, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")


class PlainScreen:
    """Writes a line when something changes, and one of state every few seconds of real time."""

    def __init__(self, file: IO[str], setting: Setting, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._monotonic = monotonic
        self._before: Scene | None = None
        self._status_at = monotonic()
        self._write(*opening(setting))

    def show(self, scene: Scene) -> None:
        """Write what is new, if anything is."""
        lines = news(self._before, scene)
        self._before = scene
        if self._monotonic() >= self._status_at:
            self._status_at = self._monotonic() + STATUS_SECONDS
            lines = (*lines, status(scene))
        self._write(*lines)

    def close(self, lines: Sequence[str]) -> None:
        """Write the last lines."""
        self._write(*lines)

    def _write(self, *lines: str) -> None:
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        for line in lines:
            self._file.write(line.encode(encoding, errors="replace").decode(encoding) + "\n")
        self._file.flush()


def choose_screen(file: IO[str], setting: Setting) -> Screen:
    """Return the live screen if the file is a terminal that is large enough and can show it, else plain lines."""
    console = Console(file=file)
    fits = console.size.width >= WIDTH and console.size.height >= ROWS
    if console.is_terminal and not console.is_dumb_terminal and fits and console.encoding.lower().startswith("utf"):
        return LiveScreen(console)
    return PlainScreen(file, setting)
