"""The live screen fits its terminal, whatever it has to say."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from autoscaler.daemon.sandbox.numbers import FleetNumbers, Life
from autoscaler.daemon.sandbox.view import draw

from . import scenes


def render(scene, width=80, rows=24):
    """Return the lines that a terminal of that size would show."""
    console = Console(file=io.StringIO(), width=width, height=rows, force_terminal=True, color_system=None)
    console.print(draw(scene, width, rows))
    return console.file.getvalue().rstrip("\n").split("\n")


FULL = FleetNumbers(
    360.0,
    tuple(scenes.replica(str(index), life) for index, life in enumerate((*Life, *Life))),
    99999,
    10**7,
)


@pytest.mark.parametrize(("width", "rows"), [(80, 24), (100, 30), (200, 60)])
@pytest.mark.parametrize(
    "scene",
    [
        scenes.scene(),
        scenes.scene(0.0, decision=None, changes=()),
        scenes.scene(changes=()),
        scenes.scene(1799.0, fleet=FULL),
        scenes.scene(7000.0, setting=scenes.SETTING._replace(duration_seconds=float("inf"))),
    ],
    ids=["rise", "before the first tick", "no change yet", "crowded end", "told again"],
)
def test_screen_fits_without_wrapping(scene, width, rows):
    """No line is longer than the terminal and none is wrapped: long reasons end in an ellipsis."""
    lines = render(scene, width, rows)
    assert len(lines) <= rows
    assert all(len(line) <= width for line in lines)
    assert all(line.startswith(("│", "╭", "╰", " ")) for line in lines)


def test_screen_says_what_a_newcomer_looks_for():
    """Time, replicas by state, queue, P99, GPU, and the last change with its reason and its stages are all there."""
    text = "\n".join(render(scenes.scene()))
    for words in (
        "06:00 / 30:00",
        "1 ready",
        "2 starting",
        "queue",
        "P99 TTFT",
        "GPU busy",
        "Last change 05:00  1 → 3  Demand",
        "pendingRequests",
        "stabilize",
        "5 → 4",
        "no change by",
        "history, credit, bounds, idle",
        "05:00 →3",
        scenes.SETTING.documents,
        scenes.SETTING.story[2].caption,
    ):
        assert words in text


def test_starting_replica_says_how_long_it_still_takes():
    """The nearest one's rest of the cold start stands beside the count."""
    assert "2 starting (40 s left)" in "\n".join(render(scenes.scene()))


def test_unknown_is_a_dash_and_never_zero():
    """A signal that is not known shows no number."""
    moment = scenes.moments(30)[-1]._replace(latency_seconds=None, queue=None)
    lines = render(scenes.scene(moments=(moment,)))
    assert next(line for line in lines if line.startswith("│ queue  ")).split()[2] == "-"
    assert next(line for line in lines if line.startswith("│ P99 TTFT ")).split()[4] == "-"


def test_future_is_dark_and_past_has_curves():
    """At a third of the story only the left third of a curve is drawn."""
    line = next(line for line in render(scenes.scene(600.0)) if "GPU busy" in line)
    curve = line.split("%", 1)[1].rstrip(" │")
    assert curve.strip("█ ") == ""
    assert 15 <= curve.count("█") <= 21
