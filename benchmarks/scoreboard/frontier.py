"""Cost against misses as SVG text: for each scene a panel with every setting that was played.

To the left is cheap, at the bottom is good. Everything is a mean over the redraws that were played.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scoreboard.board import played
from benchmarks.scoreboard.cases import OBJECTIVE
from benchmarks.scoreboard.cells import BOUND, FIXED, GRID, ORACLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.scoreboard.board import Board, Place, Row

COLUMNS, WIDTH, HEIGHT = 2, 450, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 40
LEGEND_HEIGHT = 58
LOWEST, HIGHEST = 1e-4, 1.0
"""Shares of requests that miss; fewer are drawn at the lower edge."""
INK, FAINT, OURS_COLOUR = "#1f2328", "#8c959f", "#d1242f"
COLOURS = {
    "hpa-pending": "#0969da",
    "keda-pending": "#54aeff",
    "hpa-queue": "#8250df",
    "hpa-gpu": "#bf8700",
    "knative": "#1a7f37",
    "ray-serve": "#4ac26b",
    "hf-pending": "#bc4c00",
    "queue-steps": "#bf3989",
    "latency-doubling": "#6e7781",
    "aibrix-kv": "#57606a",
}
_SHOWN_MISSES = 0.5
"""What misses more says nothing of where the frontier is: the axis of costs is not stretched for it."""


class Point(NamedTuple):
    """Something that was played."""

    hours: float
    missed: float
    title: str


class Panel(NamedTuple):
    """One scene under one cold start."""

    title: str
    settings: Sequence[tuple[str, Point]]
    """Family and point."""
    defaults: Sequence[Point]
    fixed: Sequence[Point]
    ours: Point | None
    oracle: Point | None
    bound_hours: float | None


def panel(board: Board, place: Place) -> Panel:
    """Return what was played at a place."""
    settings = [(row.decider, point) for row in board.rows(place, GRID) for point in _point(row)]
    oracle, bound = board.reference(place, ORACLE), board.reference(place, BOUND)
    return Panel(
        f"{place.scene}, cold start {place.cold_start} s",
        settings,
        [point for row in board.defaults(place) for point in _point(row)],
        sorted(point for row in board.rows(place, FIXED) for point in _point(row)),
        next(_point(board.ours(place)), None),
        Point(oracle.gpu_hours, 1 - oracle.attainment, "oracle") if oracle else None,
        bound.gpu_hours if bound else None,
    )


def figure(panels: Sequence[Panel]) -> str:
    """Return the panels, two in a row, under one legend."""
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + LEGEND_HEIGHT
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_legend(),
    ]
    for number, one in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, LEGEND_HEIGHT + number // COLUMNS * HEIGHT
        parts += [f'<g transform="translate({x},{y})">', *_Axes(one).draw(), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _point(row: Row | None) -> Iterator[Point]:
    found = None if row is None else played(row)
    if row is not None and found is not None:
        yield Point(found.gpu_hours, 1 - found.attainment, row.name)


class _Axes:
    """From hours and misses to places in a panel."""

    def __init__(self, one: Panel) -> None:
        self.panel = one
        points = [*(point for _, point in one.settings), *one.defaults, *one.fixed]
        points += [point for point in (one.ours, one.oracle) if point]
        near = [point.hours for point in points if point.missed < _SHOWN_MISSES]
        hours = (near or [point.hours for point in points]) + ([one.bound_hours] if one.bound_hours else [])
        self.low, self.high = min(hours, default=1.0) / 1.1, max(hours, default=1.0) * 1.1

    def x(self, hours: float) -> float:
        """Return the place of a cost, on a logarithmic axis."""
        share = math.log(min(self.high, max(self.low, hours)) / self.low) / math.log(self.high / self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, missed: float) -> float:
        """Return the place of a share of misses, on a logarithmic axis."""
        share = math.log(min(HIGHEST, max(LOWEST, missed)) / LOWEST) / math.log(HIGHEST / LOWEST)
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    def draw(self) -> Iterator[str]:
        """Yield the panel's shapes, ours on top."""
        one = self.panel
        yield _text(LEFT, TOP - 12, one.title, INK, 'font-size="13" font-weight="600"')
        yield from self._grid()
        if one.bound_hours:
            x = self.x(one.bound_hours)
            yield (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{INK}" '
                f'stroke-dasharray="2 3"><title>bound: {one.bound_hours:.2f} GPU-hours</title></line>'
            )
        if one.fixed:
            path = " ".join(f"{self.x(point.hours):.1f},{self.y(point.missed):.1f}" for point in one.fixed)
            yield f'<polyline points="{path}" fill="none" stroke="{FAINT}" stroke-width="1.5"/>'
        for family, point in one.settings:
            look = f'r="3" fill="{COLOURS.get(family, FAINT)}" fill-opacity="0.75"'
            yield f"<circle {self._at(point)} {look}>{_title(point)}</circle>"
        for point in one.defaults:
            yield f'<path d="{self._diamond(point, 5)}" fill="#ffffff" stroke="{INK}">{_title(point)}</path>'
        if one.oracle:
            yield f'<path d="{self._diamond(one.oracle, 7)}" fill="{INK}">{_title(one.oracle)}</path>'
        if one.ours:
            yield (
                f'<circle {self._at(one.ours)} r="6.5" fill="{OURS_COLOUR}" stroke="#ffffff" stroke-width="1.5">'
                f"{_title(one.ours)}</circle>"
            )

    def _grid(self) -> Iterator[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for missed, words in ((1.0, "100 %"), (0.1, "10 %"), (0.01, "1 %"), (0.001, "0.1 %"), (LOWEST, "≤ 0.01 %")):
            y, colour = self.y(missed), INK if math.isclose(missed, 1 - OBJECTIVE) else "#d8dee4"
            yield f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
            yield _text(LEFT - 6, y + 4, words, FAINT, 'text-anchor="end"')
        for hours in _ticks(self.low, self.high):
            x = self.x(hours)
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="{FAINT}"/>'
            yield _text(x, bottom + 16, f"{hours:g}", FAINT, 'text-anchor="middle"')
        yield _text(right, bottom + 31, "GPU-hours", FAINT, 'text-anchor="end"')
        yield _text(LEFT, bottom + 31, "up: requests that missed their objective", FAINT)

    def _at(self, point: Point) -> str:
        return f'cx="{self.x(point.hours):.1f}" cy="{self.y(point.missed):.1f}"'

    def _diamond(self, point: Point, size: float) -> str:
        x, y = self.x(point.hours), self.y(point.missed)
        return f"M{x:.1f} {y - size:.1f}L{x + size:.1f} {y:.1f}L{x:.1f} {y + size:.1f}L{x - size:.1f} {y:.1f}Z"


def _title(point: Point) -> str:
    words = f"{point.title}: {100 * (1 - point.missed):.2f} %, {point.hours:.2f} GPU-hours"
    return f"<title>{escape(words)}</title>"


def _ticks(low: float, high: float) -> list[float]:
    """Return round values within a range that is less than a few decades: 1, 2 and 5 of each."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [value for power in powers for step in (1, 2, 5) if low <= (value := step * 10.0**power) <= high]


def _text(x: float, y: float, words: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {more}>{escape(words)}</text>'


def _legend() -> Iterator[str]:
    y = 20
    signs = (
        (16, f'<circle cx="16" cy="{y - 4}" r="6" fill="{OURS_COLOUR}"/>', "ours"),
        (72, f'<path d="M72 {y - 11}l7 7l-7 7l-7 -7Z" fill="{INK}"/>', "oracle"),
        (136, f'<path d="M136 {y - 12}v14" stroke="{INK}" stroke-dasharray="2 3"/>', "bound"),
        (194, f'<path d="M186 {y - 4}h16" stroke="{FAINT}" stroke-width="1.5"/>', "fixed fleets"),
        (284, f'<path d="M284 {y - 9}l5 5l-5 5l-5 -5Z" fill="#ffffff" stroke="{INK}"/>', "peers' defaults"),
        (388, "", "dots: the peers' grids, by family"),
    )
    for x, shape, words in signs:
        yield shape + _text(x + 12, y, words, INK if shape else FAINT)
    left = 16.0
    for family, colour in COLOURS.items():
        yield f'<circle cx="{left:.1f}" cy="38" r="4" fill="{colour}"/>' + _text(left + 8, 42, family, INK)
        left += 22 + 6.2 * len(family)
