"""The screen as a picture: `python -m autoscaler.daemon.sandbox.picture FILE.svg [MINUTE]`.

The story is told tick by tick on a clock that stands still between the ticks, so it takes seconds, and the same picture
comes out each time.
"""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from autoscaler.daemon.clock import Reading
from autoscaler.daemon.sandbox.stage import Stage
from autoscaler.daemon.sandbox.traffic import story_seconds
from autoscaler.daemon.sandbox.view import draw

WIDTH, ROWS = 100, 27
_START = 1_767_225_600.0
"""2026-01-01 00:00 UTC."""
_TICK_SECONDS = 15.0
_DEFAULT_MINUTE = 25.0
_THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (13, 17, 23),
        (248, 81, 73),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (201, 209, 217),
    ],
    [
        (110, 118, 129),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (240, 246, 252),
    ],
)


class SteppedClock:
    """A clock that moves only when it is told to; `speed` is what the picture says."""

    def __init__(self, now: float = _START, speed: float = 1.0) -> None:
        self.now = now
        self.speed = speed

    def read(self) -> Reading:
        """Return the time."""
        return Reading(self.now)


def play(stage: Stage, clock: SteppedClock, until_seconds: float) -> None:
    """Tick every 15 simulated seconds up to `until_seconds` after the start, as fast as it goes."""
    end = stage.world.fleet.started_at + until_seconds
    while clock.now + _TICK_SECONDS <= end:
        clock.now += _TICK_SECONDS
        stage.daemon.tick()
    clock.now = end


def picture(minute: float) -> str:
    """Return the screen at that minute of the story as SVG."""
    clock, seconds = SteppedClock(speed=30.0), story_seconds()
    with Stage(clock, seconds, horizon_seconds=seconds) as stage:
        stage.daemon.tick()
        play(stage, clock, 60 * minute)
        console = Console(
            file=StringIO(), record=True, width=WIDTH, height=ROWS, force_terminal=True, legacy_windows=False
        )
        console.print(draw(stage.scene(), WIDTH, ROWS))
    return console.export_svg(title="make demo", theme=_THEME)


def main(arguments: list[str]) -> None:
    """Write the picture to the file named first; the second is the minute."""
    minute = float(arguments[1]) if len(arguments) > 1 else _DEFAULT_MINUTE
    Path(arguments[0]).write_text(picture(minute), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
