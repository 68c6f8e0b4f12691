"""The curve of the idle time: `python benchmarks/idle_curve.py [--seeds 3] [--jobs 2] [--write]`.

The policy scale-to-zero with idle times from 90 s to 2 h: the built-in internal tool for a day, and nine days of a tool
that is asked a little more often, whose curve is that of a real image-generation service. Each with a gateway that
holds requests at zero replicas, and with one that turns them away. `--write` puts tables and plot into docs/.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.cli.scenarios import find
from autoscaler.cli.tune import make
from autoscaler.documents.scenario import IdleGaps
from autoscaler.experiments.tuning.outcome import Summary, summary
from autoscaler.experiments.tuning.play import Alone, Job, SideBySide
from autoscaler.experiments.tuning.subject import find_subject, fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.documents.scenario import ScenarioSpec
    from autoscaler.experiments.tuning.subject import Document

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PLOT = DOCS / "explanation" / "idle-time.md", DOCS / "images" / "idle-time.svg"
BEGIN, END = "<!-- figures: benchmarks/idle_curve.py --write -->\n", "<!-- end of figures -->\n"
IDLE_SECONDS = (90, 300, 900, 1800, 3600, 7200)
DAY = 86400.0
HEAD = (
    "| idle time | objective met | lowest | GPU-hours | of always on | cold starts a day | P99 first token | lost |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


class Curve(NamedTuple):
    """One scenario with one gateway."""

    title: str
    days: float
    rows: list[tuple[int, Summary]]
    always_on: Summary


def nine_days(spec: ScenarioSpec) -> ScenarioSpec:
    """Return the internal tool with half as many pauses, for longer."""
    generator = spec.traffic.generator
    assert generator is not None
    gaps = IdleGaps(every_seconds=28800.0, duration_seconds=14400.0)
    traffic = spec.traffic.model_copy(update={"generator": generator.model_copy(update={"idle_gaps": gaps})})
    return spec.model_copy(update={"traffic": traffic, "horizon_seconds": 9 * DAY})


def holding_nothing(spec: ScenarioSpec) -> ScenarioSpec:
    """Return the scenario with a gateway that turns requests away while nothing is ready."""
    return spec.model_copy(update={"overload": spec.overload.model_copy(update={"gateway_limit": 0})})


def sleeper(idle_seconds: int) -> Document:
    """Return the policy scale-to-zero with another idle time."""
    document = find_subject("scale-to-zero", {}).document
    zero = {**document["spec"]["scaleToZero"], "idleAfterSeconds": idle_seconds}
    return {**document, "spec": {**document["spec"], "scaleToZero": zero}}


def curve(title: str, spec: ScenarioSpec, folder: Path, seeds: Sequence[int], jobs: int) -> Curve:
    """Play every idle time, and one replica that is always there, on every seed."""
    scene = partial(make, title, spec, folder)
    players = Alone(scene, use_compiled=True) if jobs == 1 else SideBySide(scene, jobs, use_compiled=True)
    documents = [*map(sleeper, IDLE_SECONDS), fixed(1)]
    order = [Job(document, title, seed) for seed in seeds for document in documents]
    outcomes = {done.place: done.outcome for done in players.play(order, lambda _, __: None)}
    players.close()
    found = [
        summary([outcomes[draw * len(documents) + place] for draw in range(len(seeds))])
        for place in range(len(documents))
    ]
    days = (spec.horizon_seconds or DAY) / DAY
    return Curve(title, days, list(zip(IDLE_SECONDS, found[:-1], strict=True)), found[-1])


def table(one: Curve) -> str:
    """Return the curve as a table of Markdown."""
    lines = [row(_words(idle_seconds), found, one) for idle_seconds, found in one.rows]
    return f"{one.title}:\n\n{HEAD}{''.join([*lines, row('always on', one.always_on, one)])}\n"


def row(name: str, found: Summary, one: Curve) -> str:
    mean, always_on_hours = found.mean, one.always_on.mean.gpu_hours
    return (
        f"| {name} | {100 * mean.slo_attainment:.1f} % | {100 * found.lowest_attainment:.1f} % | "
        f"{mean.gpu_hours:.1f} | {mean.gpu_hours / always_on_hours:.0%} | {mean.cold_starts / one.days:.1f} | "
        f"{mean.ttft_p99_seconds:.1f} s | {100 * mean.unanswered:.2f} % |\n"
    )


def _words(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"


LEFT, TOP, WIDTH, HEIGHT, LOWEST = 64, 24, 560, 260, 0.6
COLOURS = ("#1f6fb4", "#c0504d", "#7aaed6", "#e2a29f")


def plot(curves: Sequence[Curve]) -> str:
    """Return a picture: what each idle time costs, and what it holds."""
    size = f"0 0 {LEFT + WIDTH + 30} {TOP + HEIGHT + 130}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for share in (0.6, 0.7, 0.8, 0.9, 0.99):
        dash = ' stroke-dasharray="4 3"' if share == 0.99 else ""
        y = _y(share)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"{dash}/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = _x(share)
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{share:.0%}</text>')
    parts.append(f'<text x="{_x(0.5):.1f}" y="{TOP + HEIGHT + 36}" text-anchor="middle">GPU-hours, of always on</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{TOP - 8}">objective met</text>')
    for place, (one, colour) in enumerate(zip(curves, COLOURS, strict=False)):
        parts += _line(one, colour, place, labelled=place in (0, 2))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(one: Curve, colour: str, place: int, *, labelled: bool) -> list[str]:
    hours = one.always_on.mean.gpu_hours
    points = [
        (_words(idle), _x(found.mean.gpu_hours / hours), _y(max(LOWEST, found.mean.slo_attainment)))
        for idle, found in one.rows
        if found.mean.slo_attainment >= LOWEST
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for name, x, y in points:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{name}</title></circle>')
        if labelled and name in ("5 min", "15 min", "30 min", "1 h", "2 h"):
            parts.append(f'<text x="{x + 4:.1f}" y="{y + 15:.1f}" fill="{colour}" font-size="10">{name}</text>')
    legend = TOP + HEIGHT + 60 + 17 * place
    parts.append(f'<rect x="{LEFT}" y="{legend - 8}" width="18" height="4" fill="{colour}"/>')
    parts.append(f'<text x="{LEFT + 26}" y="{legend - 1}">{one.title}</text>')
    return parts


def _x(share: float) -> float:
    return LEFT + WIDTH * share


def _y(share: float) -> float:
    return TOP + HEIGHT * (1.0 - (share - LOWEST) / (1.0 - LOWEST))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3, help="of the day; the nine days are one draw")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put tables and plot into docs/")
    options = parser.parse_args()
    found = find("internal-tool")
    spec, seeds = found.scenario.spec, range(1, 1 + options.seeds)
    cases = {
        "a day, the gateway holds": spec,
        "a day, the gateway turns away": holding_nothing(spec),
        "nine days, the gateway holds": nine_days(spec),
        "nine days, the gateway turns away": holding_nothing(nine_days(spec)),
    }
    curves = []
    for title, case in cases.items():
        draws = seeds[:1] if case.horizon_seconds == 9 * DAY else seeds
        curves.append(curve(title, case, found.folder, draws, options.jobs))
        print(table(curves[-1]), flush=True)
    if options.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + "".join(map(table, curves)) + END + rest.split(END)[1])
        PLOT.write_text(plot(curves))


if __name__ == "__main__":
    main()
