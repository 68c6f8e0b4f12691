"""A tuning as tables for people: the settings, what the chosen one does on seeds that nothing was chosen by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from autoscaler.experiments.table import seconds
from autoscaler.experiments.tuning.outcome import SLACK, Summary, frontier
from autoscaler.experiments.tuning.tuner import NEARBY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from autoscaler.experiments.scene import Scene
    from autoscaler.experiments.tuning.tuner import Entrant, Tuning

FIGURES = ("SLO\nmet", "lowest", "GPU-\nhours", "of fixed\nfleet", "USD", "cold\nstarts", "TTFT\np99", "no\nanswer")
_MOST_ROWS = 40


def render(tuning: Tuning, scene: Scene, console: Console) -> None:
    """Print what was asked, the settings, the judged figures, and what to make of them."""
    for line in head_lines(tuning, scene):
        console.print(Text(line), soft_wrap=True)
    console.print(_table([*(one.path[-1] for one in tuning.question.varied), ""], list(setting_rows(tuning))))
    judged = list(judged_rows(tuning))
    if judged:
        console.print(Text(f"on {_seeds(tuning.question.judged_seeds)}, by which nothing was chosen:"))
        console.print(_table([""], judged))
    for line in foot_lines(tuning):
        console.print(Text(line), soft_wrap=True)


def _table(names: Sequence[object], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(str(name), justify="left" if name == "" else "right")
    for name in FIGURES:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def head_lines(tuning: Tuning, scene: Scene) -> Iterator[str]:
    """Yield what was asked."""
    question = tuning.question
    yield (
        f"{question.subject.name} in {scene.name}: {len(scene.trace.arrival_seconds)} requests from "
        f"{scene.trace.name}, {scene.course.horizon_seconds / 3600:.2f} h; means over {_seeds(question.tuned_seeds)}"
    )
    yield (
        f"objective: first token in {scene.objective.ttft_seconds:g} s, then {scene.objective.tpot_seconds:g} s a "
        f"token, for {_percent(question.target)} of the requests; cold start {scene.cold_start.median_seconds:g} s"
    )
    for one in question.varied:
        yield f"varied: {one.name}"


def setting_rows(tuning: Tuning) -> Iterator[list[str]]:
    """Yield the settings: all of a list, the frontier of a search; then the start and the fixed fleet."""
    tried = [(one.setting, one.summary) for one in tuning.tried]
    on_frontier = frontier([found for _, found in tried])
    curve = len(tuning.question.varied) == 1 and len(tried) <= _MOST_ROWS
    rows = list(zip(tried, on_frontier, strict=True))
    if not curve:
        rows = sorted((row for row in rows if row[1]), key=lambda row: row[0][1].mean.gpu_hours)[:_MOST_ROWS]
    chosen = None if tuning.chosen is None else tuning.chosen.setting
    for (setting, found), best in rows:
        notes = ["chosen"] if setting == chosen else []
        notes += ["frontier"] if best and curve and not notes else []
        yield [*map(_value, setting), ", ".join(notes), *_figures(found, tuning)]
    blank = [""] * len(tuning.question.varied)
    if tuning.start is not None:
        values = [_value(tuning.question.subject.value(one)) for one in tuning.question.varied]
        note = "as it is, chosen" if tuning.start_is_best else "as it is"
        yield [*values, note, *_figures(tuning.start.tuned, tuning)]
    if tuning.fixed is not None:
        yield [*blank, _fleet(tuning.fixed), *_figures(tuning.fixed.tuned, tuning)]


def judged_rows(tuning: Tuning) -> Iterator[list[str]]:
    """Yield chosen, start and fixed fleet on the other seeds."""
    named = [("chosen", tuning.chosen), ("as it is", tuning.start)]
    named += [] if tuning.fixed is None else [(_fleet(tuning.fixed), tuning.fixed)]
    for name, entrant in named:
        if entrant is not None and entrant.judged is not None:
            yield [name, *_figures(entrant.judged, tuning, judged=True)]


def _figures(found: Summary, tuning: Tuning, *, judged: bool = False) -> list[str]:
    mean = found.mean
    share = "-"
    if tuning.fixed is not None:
        fleet = tuning.fixed.judged if judged else tuning.fixed.tuned
        share = "-" if fleet is None or not fleet.mean.gpu_hours else f"{mean.gpu_hours / fleet.mean.gpu_hours:.0%}"
    return [
        f"{100 * mean.slo_attainment:.2f}%",
        f"{100 * found.lowest_attainment:.2f}%",
        f"{mean.gpu_hours:.2f}",
        share,
        f"{mean.cost_usd:.2f}",
        f"{mean.cold_starts:.1f}",
        seconds(mean.ttft_p99_seconds) if math.isfinite(mean.ttft_p99_seconds) else "-",
        f"{100 * mean.unanswered:.2f}%",
    ]


def foot_lines(tuning: Tuning) -> Iterator[str]:
    """Yield what to make of the figures."""
    target = _percent(tuning.question.target)
    if tuning.fixed is None and not tuning.partial:
        yield f"no fixed fleet of up to {tuning.question.max_replicas} meets the objective for {target}"
    if tuning.chosen is None:
        needed = f"{target} in the mean, and half a point less on every seed"
        yield f"no setting meets the objective for {needed}{_nearest(tuning)}"
    elif tuning.start_is_best:
        yield "chosen: the policy as it is; nothing that was tried costs less and meets the objective"
    if tuning.holds_nearby is False:
        yield (
            f"the chosen setting stands on a cliff: with a parameter {NEARBY:.0%} higher or lower it misses the "
            f"objective for {_percent(tuning.question.target - SLACK)}"
        )
    yield from _judgement(tuning)
    if tuning.invalid:
        yield f"{tuning.invalid} settings were refused by the document and not played"
    if tuning.partial:
        yield "PARTIAL: it was interrupted; what was played until then is above"


def _nearest(tuning: Tuning) -> str:
    if not tuning.tried:
        return ""
    best = max((one.summary for one in tuning.tried), key=lambda one: one.mean.slo_attainment)
    return (
        f": the nearest has {_percent(best.mean.slo_attainment)}, and {_percent(best.lowest_attainment)} on its worst"
    )


def _judgement(tuning: Tuning) -> Iterator[str]:
    found = None if tuning.chosen is None else tuning.chosen.judged
    if found is not None and not found.meets(tuning.question.target):
        yield f"on the other seeds the chosen setting misses {_percent(tuning.question.target)}: do not rely on it"


def _fleet(entrant: Entrant) -> str:
    return f"fixed:{entrant.document['spec']['parameters']['replicas']}"


def _value(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
