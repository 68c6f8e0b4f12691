"""A comparison as a table for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from autoscaler.experiments.compare import Comparison
    from autoscaler.experiments.score import Score

_COLUMNS = (
    "SLO\nmet", "missed", "TTFT\np50", "TTFT\np99", "TPOT\np99", "GPU-\nhours", "USD\nper 1k", "replicas\nmean/max",
    "up/\ndown", "load",
)  # fmt: skip


def render(comparison: Comparison, console: Console) -> None:
    """Print the scene in three lines, and one row for each policy."""
    scene, preset = comparison.scene, comparison.scene.preset
    table = Table("policy", box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for result in comparison.scores:
        table.add_row(*_cells(result))
    hours = scene.course.horizon_seconds / 3600
    lines = (
        (
            f"{scene.name}: {len(scene.trace.arrival_seconds)} requests from {scene.trace.name}, {hours:.2f} h, "
            f"seed {scene.seed}"
        ),
        (
            f"{preset.name}: {preset.gpu}, {preset.model}, {preset.gpus} GPU each; {preset.grade}, {preset.engine} "
            f"({preset.source})"
        ),
        (
            f"objective: first token in {scene.objective.ttft_seconds:g} s, then {scene.objective.tpot_seconds:g} s a "
            f"token; cold start {scene.cold_start.median_seconds:g} s"
        ),
        *(f"note: {note}" for note in scene.trace.notes),
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    console.print(table)


def _cells(result: Score) -> tuple[str, ...]:
    missed = result.rejected + result.timed_out + result.unfinished
    return (
        result.policy,
        _percent(result.slo_attainment, 2),
        str(missed),
        _seconds(result.ttft_seconds.p50),
        _seconds(result.ttft_seconds.p99),
        _seconds(result.tpot_seconds.p99),
        f"{result.gpu_hours:.2f}",
        "-" if math.isnan(result.cost_per_1k_requests_usd) else f"{result.cost_per_1k_requests_usd:.3f}",
        f"{result.mean_replicas:.1f}/{result.max_replicas}",
        f"{result.scale_ups}/{result.scale_downs}",
        _percent(result.mean_utilization, 0),
    )


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.1f}s"


def _percent(share: float, digits: int) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.{digits}f}%"
