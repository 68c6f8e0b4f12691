"""A recording of the screen as one SVG: `python -m autoscaler.daemon.sandbox.picture FILE.svg`.

The story is told tick by tick on a clock that stands still between the ticks, so it takes seconds, and the same picture
comes out each time. Where nothing moves, in a viewer without animations or for people who asked for less motion, one
frame is shown. It refers to nothing outside itself.
"""

from __future__ import annotations

import logging
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from autoscaler.daemon import logs
from autoscaler.daemon.clock import Reading
from autoscaler.daemon.sandbox.sandbox import Sandbox
from autoscaler.daemon.sandbox.traffic import story_seconds
from autoscaler.daemon.sandbox.view import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.daemon.sandbox.scene import Scene

MINUTES = (1.25, 3.0, 3.75, 4.75, 7.25, 11.5, 14.0, 17.0, 18.5, 22.25, 24.0, 29.0)
"""The moments that the recording shows, in minutes of the story."""
STILL = 2
"""The frame that is shown where nothing moves."""
WIDTH, ROWS = 92, 24
_FRAME_SECONDS = 3.0
_START = 1_767_225_600.0
"""2026-01-01 00:00 UTC."""
_TICK_SECONDS = 15.0
_FOUND: dict[str, Any] = {
    "daemon_address": "127.0.0.1:8080",
    "gateway_address": "127.0.0.1:9090",
    "documents": "/tmp/autoscaler-sandbox/demo.yaml",  # noqa: S108 - only a picture
}
"""In the picture, instead of the free ports and the folder that were found."""
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_PARTS = "\n%%\n".join(
    ("{styles}", "{lines}", "{chrome}", "{backgrounds}", "{matrix}", "{width} {height}", "{terminal_x}, {terminal_y}")
)
_MOVING = ".frame {{ visibility: hidden; animation: show {seconds:g}s step-end infinite }}"
_DARK = [(22, 27, 34), (248, 81, 73), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207)]
_BRIGHT = [(110, 118, 129), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255)]
_THEME = TerminalTheme(
    (13, 17, 23), (201, 209, 217), [*_DARK, (201, 209, 217)], [*_BRIGHT, (86, 212, 221), (240, 246, 252)]
)


class SteppedClock:
    """A clock that moves only when it is told to; `speed` is what the picture says."""

    def __init__(self, now: float = _START, speed: float = 1.0) -> None:
        self.now = now
        self.speed = speed

    def read(self) -> Reading:
        """Return the time."""
        return Reading(self.now)


class Frame(NamedTuple):
    """One drawn scene, in the parts that rich makes an SVG of."""

    styles: str
    lines: str
    chrome: str
    backgrounds: str
    matrix: str
    size: str
    """Width and height, in pixels."""
    origin: str
    """Of the terminal inside the window, in pixels."""


def play(sandbox: Sandbox, clock: SteppedClock, until_seconds: float) -> None:
    """Tick every 15 simulated seconds up to `until_seconds` after the start, as fast as it goes."""
    end = sandbox.world.fleet.started_at + until_seconds
    while (due := clock.now - (clock.now - _START) % _TICK_SECONDS + _TICK_SECONDS) <= end:
        clock.now = due
        sandbox.daemon.tick()
    clock.now = end


def record(minutes: Sequence[float] = MINUTES) -> tuple[Frame, ...]:
    """Return a frame for each of these minutes of the story."""
    clock, seconds = SteppedClock(speed=30.0), story_seconds()
    with Sandbox(clock, seconds, horizon_seconds=seconds) as sandbox:
        sandbox.daemon.tick()
        frames = []
        for number, minute in enumerate(minutes):
            play(sandbox, clock, 60 * minute)
            scene = sandbox.scene()
            setting = scene.setting._replace(**_FOUND)
            frames.append(frame(scene._replace(setting=setting), number))
    return tuple(frames)


def frame(scene: Scene, number: int) -> Frame:
    """Return one scene drawn; `number` makes its names unlike those of other frames."""
    console = Console(
        file=StringIO(), record=True, width=WIDTH, height=ROWS, force_terminal=True, color_system="truecolor"
    )
    console.print(draw(scene, WIDTH, ROWS))
    parts = console.export_svg(title="make demo", theme=_THEME, code_format=_PARTS, unique_id=f"f{number}")
    return Frame(*parts.split("\n%%\n"))


def animate(frames: Sequence[Frame], still: int = 0) -> str:
    """Return an SVG that shows one frame after the other, without end."""
    first, seconds = frames[0], _FRAME_SECONDS * len(frames)
    styles = [
        f"text {{ font-family: {_FONT}; font-size: 20px; white-space: pre }}",
        ".frame { visibility: hidden } .still { visibility: visible }",
        f"@keyframes show {{ 0% {{ visibility: visible }} {100 / len(frames):.3f}% {{ visibility: hidden }} }}",
        f"@media (prefers-reduced-motion: no-preference) {{ {_MOVING.format(seconds=seconds)} }}",
    ]
    groups = []
    for number, one in enumerate(frames):
        styles += [one.styles, f"#frame{number} {{ animation-delay: {_FRAME_SECONDS * number:g}s }}"]
        kind = "frame still" if number == still else "frame"
        groups.append(f'<g id="frame{number}" class="{kind}">{one.backgrounds}{one.matrix}</g>')
    parts = [
        f'<svg viewBox="0 0 {first.size}" xmlns="http://www.w3.org/2000/svg">',
        *("<style>", *styles, "</style>"),
        *("<defs>", *(one.lines for one in frames), "</defs>"),
        first.chrome,
        *(f'<g transform="translate({first.origin})">', *groups, "</g>"),
        "</svg>\n",
    ]
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> None:
    """Write the recording to the file named first."""
    logs.configure(level=logging.WARNING)
    Path(arguments[0]).write_text(animate(record(), STILL), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
