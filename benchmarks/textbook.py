"""The textbook case: `python benchmarks/textbook.py [--seeds 3] [--write]`.

A service on one A100 that is busy for eight hours a day, always on 3,240 USD a month at 4.50 USD an hour: what it
costs to scale it to zero and back, by who asks at night, at six times the load, and on spot nodes at 2.50 USD whose
nodes are taken away. Three simulated days, times ten for a month. `--write` puts the tables into docs/.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.cli.scenarios import find
from autoscaler.cli.tune import make
from autoscaler.documents.base import API_VERSION
from autoscaler.documents.scenario_fleet import Failure
from autoscaler.experiments.tuning.outcome import Summary, summary
from autoscaler.experiments.tuning.play import Alone, Job
from autoscaler.experiments.tuning.subject import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoscaler.documents.scenario import ScenarioSpec
    from autoscaler.experiments.tuning.subject import Document

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "office-hours.md"
ON_DEMAND_USD, SPOT_USD = 4.5, 2.5
DAYS, DAYS_A_MONTH = 3, 30
PENDING: dict[str, Any] = {"type": "pendingRequests", "targetPerReplica": 24}
CAPACITY: dict[str, Any] = {"type": "capacity", "ttftSeconds": 2, "tpotSeconds": 0.05}
HEAD = (
    "| who scales | objective met | lowest | GPU-hours a day | USD a month | of always on |\n"
    "|---|---|---|---|---|---|\n"
)


class Row(NamedTuple):
    """One line of a table."""

    name: str
    found: Summary
    price_usd: float

    @property
    def month_usd(self) -> float:
        """Thirty days of it."""
        return self.found.mean.gpu_hours * self.price_usd * DAYS_A_MONTH / DAYS


def policy(*rules: dict[str, Any], idle_seconds: float | None = None) -> Document:
    """Return a policy of these rules, with what scale-to-zero has around them."""
    spec: dict[str, Any] = {"rules": list(rules), "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}
    if idle_seconds is not None:
        spec["scaleToZero"] = {"idleAfterSeconds": idle_seconds, "targetPerReplica": 256}
    return {"apiVersion": API_VERSION, "kind": "ScalingPolicy", "metadata": {"name": "office"}, "spec": spec}


def by_day(replicas: int = 1) -> dict[str, Any]:
    """Return the rule that so many replicas are there from a quarter past eight, when the first ones may come."""
    window = {"start": "15 8 * * *", "end": "30 17 * * *", "minReplicas": replicas}
    return {"type": "schedule", "timeZone": "UTC", "windows": [window]}


def with_traffic(spec: ScenarioSpec, *, night: float = 1.0, day: float = 1.0) -> ScenarioSpec:
    """Return the scenario with so many times its requests at night, and by day."""
    generator = spec.traffic.generator
    assert generator is not None
    crowds = tuple(one.model_copy(update={"factor": one.factor * day / night}) for one in generator.flash_crowds)
    rate = generator.requests_per_second * night
    changed = generator.model_copy(update={"requests_per_second": rate, "flash_crowds": crowds})
    return spec.model_copy(update={"traffic": spec.traffic.model_copy(update={"generator": changed})})


def interrupted(spec: ScenarioSpec, a_day: float, seed: int) -> ScenarioSpec:
    """Return the scenario with nodes taken away at random moments; clients whose request was lost ask again."""
    random = np.random.default_rng(seed)
    moments = sorted(random.uniform(0.0, DAYS * 86400.0, random.poisson(DAYS * a_day)).tolist())
    overload = spec.overload.model_copy(update={"retries": 2, "retry_after_seconds": 2.0})
    return spec.model_copy(update={"failures": tuple(Failure(at_seconds=at) for at in moments), "overload": overload})


def play(name: str, cases: Iterable[tuple[int, ScenarioSpec]], document: Document, price_usd: float) -> Row:
    """Return what a policy comes to in a scenario's draws."""
    outcomes = []
    for seed, spec in cases:
        alone = Alone(partial(make, name, spec, Path()), use_compiled=True)
        outcomes.append(alone.run(Job(document, name, seed)))
    row = Row(name, summary(outcomes), price_usd)
    print(f"{line(row, row.month_usd)}", flush=True, end="")
    return row


def line(row: Row, always_on_usd: float) -> str:
    """Return a row of Markdown."""
    found = row.found
    return (
        f"| {row.name} | {100 * found.mean.slo_attainment:.2f} % | {100 * found.lowest_attainment:.2f} % | "
        f"{found.mean.gpu_hours / DAYS:.1f} | {row.month_usd:,.0f} | {row.month_usd / always_on_usd:.0%} |\n"
    )


def by_night(spec: ScenarioSpec, seeds: Sequence[int]) -> list[Row]:
    """Return the table of who asks at night, and how long is waited before zero."""
    rows = [play("always on", [(seed, spec) for seed in seeds], fixed(1), ON_DEMAND_USD)]
    asked = (("nobody", 0.001), ("one request in two hours", 1.0), ("two an hour", 4.0), ("ten an hour", 20.0))
    for said, night in asked:
        case = [(seed, with_traffic(spec, night=night)) for seed in seeds]
        for minutes in (5, 15, 60):
            document = policy(PENDING, idle_seconds=60.0 * minutes)
            rows.append(play(f"at night {said}: zero after {minutes} min", case, document, ON_DEMAND_USD))
    case = [(seed, spec) for seed in seeds]
    document = policy(PENDING, by_day(), idle_seconds=300.0)
    rows.append(
        play("one request in two hours: one replica by the clock, zero after 5 min", case, document, ON_DEMAND_USD)
    )
    return rows


def at_six_times(spec: ScenarioSpec, seeds: Sequence[int]) -> list[Row]:
    """Return the table of the same service with six times the load by day, where sizing has something to do."""
    case = [(seed, with_traffic(spec, day=6.0)) for seed in seeds]
    contestants = {
        "always on: 3": fixed(3),
        "never zero, `capacity`": policy(CAPACITY),
        "zero after 15 min, `pendingRequests`": policy(PENDING, idle_seconds=900.0),
        "zero after 15 min, `capacity`": policy(CAPACITY, idle_seconds=900.0),
        "the same, one replica by the clock": policy(CAPACITY, by_day(), idle_seconds=900.0),
    }
    return [play(name, case, document, ON_DEMAND_USD) for name, document in contestants.items()]


def on_spot(spec: ScenarioSpec, seeds: Sequence[int]) -> list[Row]:
    """Return the table of spot nodes that are taken away."""
    rows = []
    zero, spare = policy(PENDING, idle_seconds=900.0), policy(PENDING, by_day(2), idle_seconds=900.0)
    for said, a_day in (("never", 0.0), ("once a day", 1.0), ("four times a day", 4.0)):
        case = [(seed, interrupted(spec, a_day, seed)) for seed in seeds]
        for name, document in (("always on", fixed(1)), ("zero after 15 min", zero), ("the same, two by day", spare)):
            rows.append(play(f"taken away {said}: {name}", case, document, SPOT_USD))
    return rows


def on_spot_at_six_times(spec: ScenarioSpec, seeds: Sequence[int]) -> list[Row]:
    """Return the same at six times the load."""
    rows = []
    large = with_traffic(spec, day=6.0)
    wide = policy(CAPACITY, by_day(4), idle_seconds=900.0)
    for said, a_day in (("once a day", 1.0), ("four times a day", 4.0)):
        case = [(seed, interrupted(large, a_day, seed)) for seed in seeds]
        tight = policy(CAPACITY, idle_seconds=900.0)
        rows.append(play(f"taken away {said}: `capacity`, zero after 15 min", case, tight, SPOT_USD))
        rows.append(play(f"taken away {said}: the same, four by day", case, wide, SPOT_USD))
    return rows


def write(text: str, name: str, rows: Sequence[Row], always_on_usd: float) -> str:
    """Return the page with one of its tables renewed."""
    begin, end = f"<!-- {name}: benchmarks/textbook.py --write -->\n", f"<!-- end of {name} -->\n"
    before, rest = text.split(begin)
    return before + begin + HEAD + "".join(line(row, always_on_usd) for row in rows) + end + rest.split(end)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/")
    options = parser.parse_args()
    spec = find("office-hours").scenario.spec
    seeds = range(1, 1 + options.seeds)
    month_usd = 24 * DAYS_A_MONTH * ON_DEMAND_USD
    tables = {
        "night": (by_night(spec, seeds), month_usd),
        "six": (at_six_times(spec, seeds), 3 * month_usd),
        "spot": (on_spot(spec, seeds), month_usd),
        "spot, six": (on_spot_at_six_times(spec, seeds), 3 * month_usd),
    }
    if options.write:
        text = PAGE.read_text()
        for name, (rows, always_on_usd) in tables.items():
            text = write(text, name, rows, always_on_usd)
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
