"""The live screen, as a pure function from a scene to something that rich can draw; it fits 80 columns by 24 rows."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoscaler.daemon.sandbox.history import columns, spark
from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.daemon.sandbox.scene import clock_text, plain_reason, quantity
from autoscaler.daemon.sandbox.traffic import story_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from autoscaler.daemon.sandbox.history import Moment
    from autoscaler.daemon.sandbox.scene import Scene
    from autoscaler.engine.decision import Decision

WIDTH = 80
ROWS = 24
_FRAME_ROWS = 15
"""All rows but those inside the panel of the last change."""
_BODY_ROWS = 8
"""At least so many rows inside that panel, where there is room: so it mostly keeps its height."""
_STEPS_SHOWN = 6
_LABEL_WIDTH = 13
_VALUE_WIDTH = 10
_PAST = ("black on cyan", "black on dark_cyan")
_FUTURE = ("grey70 on grey23", "grey70 on grey15")
_SQUARES = {Life.READY: ("■", "bold green"), Life.STARTING: ("◧", "yellow"), Life.DRAINING: ("▫", "magenta")}


class Gauge(NamedTuple):
    """One row of the measurements."""

    label: str
    value: Callable[[Moment], float | None]
    form: str
    least_top: float
    """The scale reaches at least this far."""
    style: str
    limit: float | None = None
    """Above it, the value is shown as bad."""


def draw(scene: Scene, width: int = WIDTH, rows: int = ROWS) -> RenderableType:
    """Return the whole screen, at most `rows` high."""
    width = min(width, 120)
    return Group(
        _title(scene, width),
        _caption(scene),
        _replicas(scene),
        _panel("What the daemon measures", _measures(scene, width), "cyan"),
        _decision(scene, max(1, rows - _FRAME_ROWS)),
        _footer(scene),
    )


def _line(*parts: tuple[str, str] | str) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _panel(title: str | Text, body: RenderableType, style: str) -> Panel:
    return Panel(body, title=title, title_align="left", border_style=style, padding=(0, 1))


def _title(scene: Scene, width: int) -> Text:
    setting = scene.setting
    end = f" / {clock_text(setting.duration_seconds)}" if isfinite(setting.duration_seconds) else ""
    right = f"{clock_text(scene.elapsed_seconds)}{end}"
    left = f"{setting.hardware}, simulated, {setting.speed:g}x"
    line = _line((" autoscaler sandbox ", "bold black on cyan"), " ", (left, "dim"))
    line.truncate(width - len(right) - 2, overflow="ellipsis", pad=True)
    return line.append(f" {right}", "bold")


def _caption(scene: Scene) -> Text:
    return _line((" ▶ ", "bold cyan"), (scene.setting.story[scene.chapter].caption, "bold"))


def _replicas(scene: Scene) -> Text:
    fleet, setting = scene.fleet, scene.setting
    line = _line(" ")
    for life, (square, style) in _SQUARES.items():
        line.append(f"{square} " * fleet.count(life), style)
    line.append("· " * (setting.max_replicas - len(fleet.replicas)), "dim")
    for life, (_, style) in _SQUARES.items():
        count = fleet.count(life)
        line.append(f" {count} {life}", style if count else "dim").append(_remaining(scene, life), "dim")
    return line.append(f"  of {setting.max_replicas} at most", "dim")


def _remaining(scene: Scene, life: Life) -> str:
    """Return how long until the first of the starting replicas is ready."""
    ends = [replica.ready_at - scene.fleet.at for replica in scene.fleet.replicas if replica.life is Life.STARTING]
    return f" ({max(0.0, min(ends)):.0f} s left)" if life is Life.STARTING and ends else ""


def _gauges(scene: Scene) -> tuple[Gauge, ...]:
    setting, objective = scene.setting, scene.setting.objective_seconds
    peak = max(chapter.rate_to for chapter in setting.story)
    latency = f"{setting.latency_name} ≤{objective:g}s"
    return (
        Gauge("traffic", lambda m: m.rate, "{:.1f} req/s", peak, "cyan"),
        Gauge("queue", lambda m: m.queue, "{:.0f} req", 20.0, "cyan"),
        Gauge(latency, lambda m: m.latency_seconds, "{:.2f} s", objective, "green", objective),
        Gauge("GPU busy", lambda m: m.gpu_percent, "{:.0f} %", 100.0, "cyan"),
        Gauge("replicas", lambda m: m.ready, "{:.0f} ready", setting.max_replicas, "green"),
    )


def _measures(scene: Scene, width: int) -> RenderableType:
    table = Table.grid(padding=0)
    table.add_column(width=_LABEL_WIDTH, no_wrap=True)
    table.add_column(width=_VALUE_WIDTH, no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    cells = width - 4 - _LABEL_WIDTH - _VALUE_WIDTH - 2
    span = _span(scene)
    table.add_row("", "", Text("  ").append_text(_chapters(scene, span, cells)))
    for gauge in _gauges(scene):
        table.add_row(gauge.label, _value(gauge, scene), Text("  ").append_text(_curve(gauge, scene, span, cells)))
    return table


def _value(gauge: Gauge, scene: Scene) -> Text:
    value = gauge.value(scene.latest) if scene.latest else None
    bad = value is not None and gauge.limit is not None and value > gauge.limit
    return Text(quantity(value, gauge.form), "bold red" if bad else "bold")


def _span(scene: Scene) -> tuple[float, float]:
    """Return the stretch of time that the curves show, in seconds; told again, the story is shown up to now."""
    length = min(story_seconds(scene.setting.story), scene.setting.duration_seconds)
    start = max(0.0, scene.elapsed_seconds - length)
    return start, start + length


def _chapters(scene: Scene, span: tuple[float, float], cells: int) -> Text:
    """Return the chapters' names above the curves, lit as far as the story has come."""
    story, line, length = scene.setting.story, Text(no_wrap=True, overflow="crop"), span[1] - span[0]
    lit = round((scene.elapsed_seconds - span[0]) / length * cells)
    end, index = span[0] - span[0] % story_seconds(story), 0
    while end < span[1]:
        chapter, shade = story[index % len(story)], index % 2
        edges = (end, end + chapter.seconds)
        left, right = (max(0, min(cells, round((edge - span[0]) / length * cells))) for edge in edges)
        name = f" {chapter.name}"
        text = f"{name if len(name) <= right - left else '':<{right - left}}"
        line.append(text[: max(0, lit - left)], _PAST[shade]).append(text[max(0, lit - left) :], _FUTURE[shade])
        end, index = edges[1], index + 1
    return line


def _curve(gauge: Gauge, scene: Scene, span: tuple[float, float], cells: int) -> Text:
    values = columns(scene.moments, gauge.value, span, cells)
    top = max([gauge.least_top, *(value for value in values if value is not None)])
    if gauge.limit is not None:
        top = min(top, 4 * gauge.limit)
    curve = Text(spark(values, top), gauge.style, no_wrap=True, overflow="crop")
    for cell, value in enumerate(values):
        if value is not None and gauge.limit is not None and value > gauge.limit:
            curve.stylize("red", cell, cell + 1)
    return curve


def _decision(scene: Scene, rows: int) -> Panel:
    """Return the panel of the last change, with what holds now, and all changes on its lower edge."""
    change = scene.change
    decision = change.decision if change else scene.decision
    if decision is None:
        return _panel("Last decision", _line(("waiting for the first tick", "dim")), "yellow")
    title = Text("No change yet")
    if change is not None:
        title = Text.assemble(
            ("Would change " if change.dry_run else "Last change "),
            (f"{clock_text(change.at_seconds)}  {decision.current} → {decision.replicas}", "bold"),
            (f"  {decision.reason}", "yellow"),
        )
    lines = [*_rule_lines(decision), *_stage_lines(decision)][: rows - 1]
    padding = [Text() for _ in range(min(rows, _BODY_ROWS) - 1 - len(lines))]
    steps = [f"{clock_text(at)} →{decision.replicas}" for at, decision, _ in scene.changes]
    panel = _panel(title, Group(*lines, *padding, _now(scene)), "yellow")
    panel.subtitle, panel.subtitle_align = Text("  ".join(steps[-_STEPS_SHOWN:]), "dim"), "left"
    return panel


def _rule_lines(decision: Decision) -> Iterator[Text]:
    for name, proposal in decision.proposals:
        yield _line((f"{name:<16} ", "cyan"), proposal.reason)


def _stage_lines(decision: Decision) -> Iterator[Text]:
    """Yield the stages that changed the count, each in a line, and then the names of the others in one."""
    moved = [stage for stage in decision.trail if stage.before != stage.after]
    for stage in moved:
        yield _line((f"{stage.name:<16} ", "yellow"), (f"{stage.before} → {stage.after}  ", "bold"), stage.why)
    kept = [stage.name for stage in decision.trail if stage.before == stage.after]
    if kept:
        yield _line(("no change by     ", "dim"), (", ".join(kept), "dim"))


def _now(scene: Scene) -> Text:
    decision = scene.decision
    if decision is None:
        return _line()
    return _line(
        ("now              ", "green"), f"{decision.replicas} ", (f"{decision.reason}: {plain_reason(decision)}", "dim")
    )


def _footer(scene: Scene) -> Text:
    """Return where to look, and what to try."""
    setting = scene.setting
    return Text("\n").join(
        (
            _line((f" daemon {setting.daemon_address}/metrics  gateway {setting.gateway_address}/metrics", "dim")),
            _line((f" Ctrl-C ends.  Try: edit {setting.documents}", "dim")),
        )
    )
