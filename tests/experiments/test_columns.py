"""Tables on screens of every width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from autoscaler.experiments import preset_list
from autoscaler.experiments.columns import Column, Fitted, draw, fit
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.seeds import over_seeds
from autoscaler.experiments.table import HEAD, cells, head_lines, render

COLUMNS = (Column("policy", left=True), Column("GPU-\nhours"), Column("TTFT\np50", spare=1), Column("load", spare=2))
ROWS = (("a-policy", "12.34", "120ms", "31%"), ("b", "7.00", "1.0s", "100%"))
PRESET_WIDTH = 80


def printed(paint, width: int) -> list[str]:
    """What is printed on a screen of that width, line by line."""
    text = io.StringIO()
    paint(Console(file=text, width=width))
    return text.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "fitted"),
    [
        (28, Fitted((0, 1, 2, 3), 2, stacked=False)),
        (27, Fitted((0, 1, 2, 3), 1, stacked=False)),
        (25, Fitted((0, 1, 2, 3), 1, stacked=False)),
        (24, Fitted((0, 1, 2), 1, stacked=False)),
        (19, Fitted((0, 1), 1, stacked=False)),
        (13, Fitted((0, 1), 1, stacked=True)),
    ],
)
def test_columns_move_together_then_go_then_names_stand_above(width, fitted):
    """The column that can best be spared goes first; the two that cannot be spared stay at any width."""
    assert fit(COLUMNS, ROWS, width) == fitted


@pytest.mark.parametrize("width", [10, 13, 20, 26, 29, 200])
def test_no_number_is_cut_and_what_is_left_out_is_named(width):
    """Whatever the width: every cell of a column that stays is there in full, and the others' heads are named."""
    text = "\n".join(printed(lambda console: draw(COLUMNS, ROWS, console), width))
    kept = fit(COLUMNS, ROWS, width).kept
    assert "…" not in text
    for row in ROWS:
        assert all((row[place] in text) == (place in kept) for place in range(len(COLUMNS)))
    left_out = [column.title for place, column in enumerate(COLUMNS) if place not in kept]
    assert (f"no room for {', '.join(left_out)}" in text) == bool(left_out)


@pytest.fixture
def comparison(make):
    """Two policies on two seeds: the widest cells that there are."""
    found = []
    for seed in (7, 8):
        scene = make(traffic={"generator": {"requestsPerSecond": 20, "durationSeconds": 120}}, seed=seed)
        players = [player for name in ("hpa-gpu-utilization", "fixed:2") for player in contestants(name, scene)]
        found.append(compare(scene, players, compiled=None, timer=lambda: 0.0))
    return over_seeds(found[0], [(8, found[1].scores)])


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_comparison_is_whole_at_every_width(comparison, width):
    """Attainment, GPU-hours, bound, P99, scale actions, cold starts and cost of each policy stand on the screen."""
    lines = printed(lambda console: render(comparison, console), width)
    text, table = "\n".join(lines), lines[3:]
    wanted = [place for place, name in enumerate(HEAD) if name.partition("\n")[0] in ("SLO", "GPU-", "USD", "up/")]
    wanted += [HEAD.index("TTFT\np99"), HEAD.index("x bound\n/oracle"), HEAD.index("cold\nstarts")]
    for run in comparison.runs:
        row = cells(run, comparison)
        (line,) = [line for line in table if line.startswith(f"{row[0]} ")]
        assert len(line) <= width
        assert all(row[place] in line.split() for place in wanted)
    assert "…" not in text


def test_a_seed_is_named_once(comparison):
    """The traffic's own name tells it too."""
    assert "".join(head_lines(comparison)).count("seed 7") == 1


def test_presets_fit_80_columns():
    """Name, coefficients, KV cache and grade are there; engine and source are for wider screens, and for --json."""
    lines = printed(preset_list.render, PRESET_WIDTH)
    rows = lines[2 : 2 + len(preset_list.to_json()["presets"])]
    assert max(map(len, rows)) <= PRESET_WIDTH
    assert all("450 000" in row for row in rows if "llama-3.1-8b" in row and row.startswith(("h100", "a100")))
    assert any(line.startswith("no room for") and "source" in line for line in lines)
