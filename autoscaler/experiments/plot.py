"""Plots over time as SVG text: panels below each other on one axis, with nothing but shapes, words and titles."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, LEFT, RIGHT, GAP, BOTTOM = 960, 64, 16, 30, 24
_STEPS_SECONDS = (60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)


class Line(NamedTuple):
    """Values at the times of the figure; NaN leaves a gap."""

    name: str
    colour: str
    values: Sequence[float]
    dashed: bool = False
    filled: bool = False
    """Down to the axis."""
    level: bool = False
    """Each value lasts until the next one: counts do not slope."""


class Panel(NamedTuple):
    """One plot: lines over each other, or layers on top of each other."""

    title: str
    lines: Sequence[Line]
    layers: Sequence[Line] = ()
    """Stacked, from the bottom up."""
    rule: tuple[str, float] | None = None
    """A horizontal line, and its name."""
    height: int = 120
    logarithmic: bool = False
    unit: str = ""
    top: float | None = None
    """Where the axis ends; None for the greatest value."""


class Mark(NamedTuple):
    """An event on the first panel, with what is shown when the pointer rests on it."""

    at: float
    value: float
    upward: bool
    title: str


class Figure(NamedTuple):
    """Panels over the same times."""

    times: Sequence[float]
    panels: Sequence[Panel]
    marks: Sequence[Mark] = ()


class _Scale(NamedTuple):
    """From values to the y of a panel."""

    low: float
    high: float
    top: float
    height: float
    logarithmic: bool

    def y(self, value: float) -> float:
        """Return the place of a value, kept inside the panel."""
        low, high, value = (map(math.log10, (self.low, self.high, max(value, self.low)))) if self.logarithmic else (
            self.low, self.high, value
        )  # fmt: skip
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.top + self.height * (1.0 - share)

    def ticks(self) -> list[float]:
        """Return where the grid's lines are."""
        if self.logarithmic:
            exponents = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**exponent for exponent in exponents]
        step = _nice((self.high - self.low) / 3)
        return [self.low + step * place for place in range(int((self.high - self.low) / step + 1e-9) + 1)]


def draw(figure: Figure) -> str:
    """Return the figure as an `<svg>` element."""
    height = sum(panel.height + GAP for panel in figure.panels) + BOTTOM
    body = "".join(_parts(figure))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg" font-size="11">{body}</svg>'
    )


def _parts(figure: Figure) -> Iterator[str]:
    top = float(GAP)
    first: _Scale | None = None
    for panel in figure.panels:
        scale = _scale(panel, top)
        first = first or scale
        yield from _panel(panel, scale, figure.times)
        top += panel.height + GAP
    end = top - GAP
    yield from _time_axis(figure.times, end)
    yield from _hovers(figure, end)
    if first is not None:
        yield from (_mark(mark, first, figure.times) for mark in figure.marks)


def _x(at: float, times: Sequence[float]) -> float:
    begin, end = times[0], max(times[-1], times[0] + 1e-9)
    return LEFT + (WIDTH - LEFT - RIGHT) * (at - begin) / (end - begin)


def _scale(panel: Panel, top: float) -> _Scale:
    values = [value for line in panel.lines for value in line.values if math.isfinite(value)]
    values += [sum(column) for column in zip(*(layer.values for layer in panel.layers), strict=True)]
    if panel.rule is not None:
        values.append(panel.rule[1])
    if panel.logarithmic:
        above = [value for value in values if value > 0] or [1.0]
        low, high = (10.0 ** math.floor(math.log10(min(above))), 10.0 ** math.ceil(math.log10(max(above)) + 1e-9))
        return _Scale(low, max(high, 10 * low), top, panel.height, logarithmic=True)
    high = panel.top if panel.top is not None else 1.05 * max(values, default=0.0)
    return _Scale(0.0, max(high, 1e-9) or 1.0, top, panel.height, logarithmic=False)


def _panel(panel: Panel, scale: _Scale, times: Sequence[float]) -> Iterator[str]:
    yield _text(LEFT, scale.top - 9, panel.title, weight="600")
    yield from _legend(panel, scale.top - 9)
    for tick in scale.ticks():
        y = scale.y(tick)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="grid"/>'
        yield _text(LEFT - 6, y + 4, f"{_number(tick)}{panel.unit}", anchor="end")
    below = [0.0] * len(times)
    for layer in panel.layers:
        above = [low + value for low, value in zip(below, layer.values, strict=True)]
        yield f'<path d="{_band(times, below, above, scale)}" fill="{layer.colour}"/>'
        below = above
    for line in panel.lines:
        yield from _line(line, scale, times)
    if panel.rule is not None:
        y = scale.y(panel.rule[1])
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="rule"/>'
        yield _text(WIDTH - RIGHT, y - 3, panel.rule[0], anchor="end", colour="#b3261e")


def _legend(panel: Panel, y: float) -> Iterator[str]:
    x = float(WIDTH - RIGHT)
    for line in reversed([*panel.layers, *panel.lines]):
        yield _text(x, y, line.name, anchor="end")
        x -= 6.0 * len(line.name) + 19
        dash = ' stroke-dasharray="3 2"' if line.dashed else ""
        yield f'<path d="M{x:.0f} {y - 4:.1f}h12" stroke="{line.colour}" stroke-width="4"{dash}/>'
        x -= 12


def _line(line: Line, scale: _Scale, times: Sequence[float]) -> Iterator[str]:
    for stretch in _stretches(line.values):
        points = [(_x(times[place], times), scale.y(line.values[place])) for place in stretch]
        path = _stairs(points) if line.level else "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if line.filled:
            floor = scale.top + scale.height
            closed = f"{path}L{points[-1][0]:.1f} {floor:.1f}L{points[0][0]:.1f} {floor:.1f}Z"
            yield f'<path d="{closed}" fill="{line.colour}" fill-opacity="0.25"/>'
        dash = ' stroke-dasharray="4 3"' if line.dashed else ""
        yield f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="1.5"{dash}/>'


def _stretches(values: Sequence[float]) -> Iterator[list[int]]:
    """Yield the places of values that are known and stand beside each other."""
    stretch: list[int] = []
    for place, value in enumerate(values):
        if math.isfinite(value):
            stretch.append(place)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _stairs(points: Sequence[tuple[float, float]]) -> str:
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    parts += [f"H{x:.1f}V{y:.1f}" for x, y in points[1:]]
    return "".join(parts)


def _band(times: Sequence[float], below: Sequence[float], above: Sequence[float], scale: _Scale) -> str:
    """Return the path around what lies between two stairs."""
    xs = [_x(at, times) for at in times]
    over = _stairs([(x, scale.y(value)) for x, value in zip(xs, above, strict=True)])
    back = f"V{scale.y(below[-1]):.1f}"
    for place in range(len(xs) - 1, 0, -1):
        back += f"V{scale.y(below[place - 1]):.1f}H{xs[place - 1]:.1f}"
    return f"{over}{back}Z"


def _time_axis(times: Sequence[float], y: float) -> Iterator[str]:
    span = times[-1] - times[0]
    step = next((step for step in _STEPS_SECONDS if span / step <= 12), _STEPS_SECONDS[-1])
    for place in range(math.ceil(times[0] / step), int(times[-1] / step) + 1):
        x = _x(place * step, times)
        yield f'<path d="M{x:.1f} {y:.1f}v4" stroke="#888"/>'
        yield _text(x, y + 16, clock(place * step), anchor="middle")


def _hovers(figure: Figure, end: float) -> Iterator[str]:
    """Yield a strip for each time that shows every value at the pointer."""
    times = figure.times
    lines = [(panel, line) for panel in figure.panels for line in (*panel.layers, *panel.lines)]
    for place, at in enumerate(times[:-1]):
        x, width = _x(at, times), _x(times[place + 1], times) - _x(at, times)
        words = [f"{line.name}: {_number(line.values[place])}{panel.unit}" for panel, line in lines]
        title = escape("\n".join([clock(at), *words]))
        yield (
            f'<rect x="{x:.1f}" y="{GAP}" width="{width:.2f}" height="{end - GAP:.0f}" class="hover">'
            f"<title>{title}</title></rect>"
        )


def _mark(mark: Mark, scale: _Scale, times: Sequence[float]) -> str:
    x, y = _x(mark.at, times), scale.y(mark.value)
    path = f"M{x:.1f} {y - 4:.1f}l5 8h-10Z" if mark.upward else f"M{x:.1f} {y + 4:.1f}l5 -8h-10Z"
    colour = "#b3261e" if mark.upward else "#1d5fa8"
    return (
        f'<path d="{path}" fill="{colour}" stroke="#fff" stroke-width="0.7"><title>{escape(mark.title)}</title></path>'
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", weight: str = "400", colour: str = "currentColor"
) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def clock(seconds: float) -> str:
    """Return a moment of the simulation: `1:05:30` hours, with days in front where there are any."""
    days, rest = divmod(round(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    text = f"{hours}:{minutes:02}" + (f":{left:02}" if left else "")
    return f"{days}d {text}" if days else text


def _nice(value: float) -> float:
    """Return the round number that is not below a value: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value - 1e-12)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.3g}"
