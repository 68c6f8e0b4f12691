"""A comparison as a table for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from autoscaler.experiments.columns import Column, draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from autoscaler.experiments.compare import Comparison, Run
    from autoscaler.experiments.confidence import Estimate
    from autoscaler.experiments.score import Score

COLUMNS = (
    Column("policy", left=True),
    Column("SLO\nmet"),
    Column("missed", spare=2),
    Column("TTFT\np50", spare=3),
    Column("TTFT\np99"),
    Column("TPOT\np99", spare=4),
    Column("GPU-\nhours"),
    Column("x bound\n/oracle"),
    Column("USD\nper 1k"),
    Column("replicas\nmean/max", spare=1),
    Column("up/\ndown"),
    Column("cold\nstarts"),
    Column("load", spare=5),
)
"""A policy's figures; on a narrow screen attainment, cost and scale actions stay."""
HEAD = tuple(column.head for column in COLUMNS)


def render(comparison: Comparison, console: Console) -> None:
    """Print the scene in three lines, one row for each policy, and what the references are."""
    for line in head_lines(comparison):
        console.print(Text(line), soft_wrap=True)
    draw(COLUMNS, [cells(run, comparison) for run in comparison.runs], console)
    for line in foot_lines(comparison):
        console.print(Text(line), soft_wrap=True)


def head_lines(comparison: Comparison) -> tuple[str, ...]:
    """Return what was simulated, with the preset's source and grade."""
    scene, preset = comparison.scene, comparison.scene.preset
    hours = scene.course.horizon_seconds / 3600
    seed = f", seed {scene.seed}"
    return (
        (
            f"{scene.name}: {len(scene.trace.arrival_seconds)} requests from {scene.trace.name.removesuffix(seed)}, "
            f"{hours:.2f} h{seed}"
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


def foot_lines(comparison: Comparison) -> Iterator[str]:
    """Yield what the table's figures need said: seeds, references, and that it is not whole."""
    over = next((run.over_seeds for run in comparison.runs if run.over_seeds is not None), None)
    if over is not None:
        yield (
            f"±: 95 % confidence over {len(over.seeds)} seeds ({over.seeds[0]} to {over.seeds[-1]}); the other columns "
            f"are seed {comparison.scene.seed}"
        )
    yield from _reference_lines(comparison)
    if comparison.partial:
        yield "PARTIAL: it was interrupted; what is not whole says so, and what is missing was not run"


def _reference_lines(comparison: Comparison) -> Iterator[str]:
    found = comparison.references
    if found is None or not comparison.runs:
        return
    scores = comparison.scores
    share = f"{100 * found.attainment:g} %"
    bound = min(score.bound_gpu_hours for score in scores)
    if math.isnan(bound):
        yield f"bound: unknown ({found.bound})"
    elif math.isinf(bound):
        yield f"bound: no scaler can meet the objective for {share} of these requests with these cold starts"
    else:
        yield f"bound: no scaler can meet the objective for {share} of the requests with less than {_hours(bound)}"
    oracle = scores[0].oracle_gpu_hours
    if not math.isnan(oracle):
        yield f"oracle: {_hours(oracle)}, with the traffic known beforehand ({found.oracle})"
    elif "--oracle" not in found.oracle:
        yield f"oracle: {found.oracle}"
    if any(score.slo_attainment < found.attainment for score in scores):
        yield f"in brackets: met the objective for less than {share}, so what it costs does not compare"


def _hours(hours: float) -> str:
    return f"{hours:.3g} GPU-hours" if hours < 100 else f"{hours:.0f} GPU-hours"


def cells(run: Run, comparison: Comparison) -> tuple[str, ...]:
    """Return one row's cells, as `HEAD` names them."""
    result, over = run.score, run.over_seeds
    missed = result.rejected + result.timed_out + result.unfinished + result.failed
    name = result.policy if run.stopped_at is None else f"{result.policy} (to {run.stopped_at:.0f} s)"
    return (
        name,
        _percent(result.slo_attainment, 2) if over is None else _percent_over(over.slo_attainment),
        str(missed),
        seconds(result.ttft_seconds.p50),
        seconds(result.ttft_seconds.p99) if over is None else _seconds_over(over.ttft_p99_seconds),
        seconds(result.tpot_seconds.p99),
        f"{result.gpu_hours:.2f}" if over is None else _over(over.gpu_hours, 2),
        _ratios(result, 0.0 if comparison.references is None else comparison.references.attainment),
        "-" if math.isnan(result.cost_per_1k_requests_usd) else f"{result.cost_per_1k_requests_usd:.3f}",
        f"{result.mean_replicas:.1f}/{result.max_replicas}",
        f"{result.scale_ups}/{result.scale_downs}",
        str(result.cold_starts),
        _percent(result.mean_utilization, 0),
    )


def _ratios(result: Score, attainment: float) -> str:
    """Return GPU-hours in multiples of the bound, and of the oracle where it is known."""
    parts = [_ratio(result.gpu_hours, reference) for reference in (result.bound_gpu_hours, result.oracle_gpu_hours)]
    if parts == ["-", "-"]:
        return "-"
    text = parts[0] if parts[1] == "-" else "/".join(parts)
    return text if result.slo_attainment >= attainment else f"({text})"


def _ratio(hours: float, reference: float) -> str:
    return f"{hours / reference:.2f}" if 0 < reference < math.inf else "-"


def seconds(value: float) -> str:
    """Return a duration: milliseconds below a second."""
    if math.isnan(value):
        return "-"
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.1f}s"


def _percent(share: float, digits: int) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.{digits}f}%"


def _over(found: Estimate, digits: int) -> str:
    if math.isnan(found.half_width):
        return "-" if math.isnan(found.mean) else f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f}±{found.half_width:.{digits}f}"


def _percent_over(found: Estimate) -> str:
    text = _over(found._replace(mean=100 * found.mean, half_width=100 * found.half_width), 2)
    return text if text == "-" else f"{text}%"


def _seconds_over(found: Estimate) -> str:
    if math.isnan(found.mean):
        return "-"
    if found.mean < 1:
        return f"{_over(found._replace(mean=1000 * found.mean, half_width=1000 * found.half_width), 0)}ms"
    return f"{_over(found, 1)}s"
