"""What each scenario shows: `python benchmarks/scenarios.py [--write] [NAME]...`.

Every scenario of `simulations/` is played with llm-interactive, with its own policies, and with fixed fleets: the
smallest one that meets the objective for 99 % of the requests is the best a person could have set by hand, knowing the
traffic. `--write` puts the table into `simulations/README.md`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.cli.scenarios import find, names
from autoscaler.cli.simulate import chosen_kernel
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.references import ATTAINMENT, with_references
from autoscaler.experiments.scene import Scene, make_scene

if TYPE_CHECKING:
    from autoscaler.experiments.score import Score

README = Path(__file__).parents[1] / "simulations" / "README.md"
BEGIN, END = "<!-- figures: benchmarks/scenarios.py --write -->\n", "<!-- end of figures -->\n"
HEAD = (
    "| scenario | what it teaches | who scales | objective met | GPU-hours | x bound | replicas mean/max |\n"
    "|---|---|---|---|---|---|---|\n"
)


def score(scene: Scene, name: str) -> Score:
    (result,) = compare(scene, contestants(name, scene), compiled=chosen_kernel(), timer=time.perf_counter).scores
    return result


def best_fixed(scene: Scene) -> Score | None:
    """Return the smallest fixed fleet that meets the objective, by bisection; None if the largest does not."""
    found, low, high = None, 0, scene.max_replicas
    while high - low > 1 or found is None:
        middle = high if found is None else (low + high) // 2
        result = score(scene, f"fixed:{middle}")
        if result.slo_attainment >= ATTAINMENT:
            found, high = result, middle
        elif found is None:
            return None
        else:
            low = middle
        if high == 1:
            break
    return found


def rows(name: str) -> list[str]:
    began = time.perf_counter()
    scenario, folder, beside = find(name)
    scene = make_scene(name, scenario.spec, folder=folder)
    policies = list(dict.fromkeys(["llm-interactive", *scenario.spec.policies]))
    players = [player for policy in policies for player in contestants(policy, scene, beside)]
    comparison = compare(scene, players, compiled=chosen_kernel(), timer=time.perf_counter)
    comparison = with_references(
        comparison, players, timer=time.perf_counter, compiled=chosen_kernel(), seconds_limit=20.0
    )
    fixed = best_fixed(scene)
    bound = comparison.scores[0].bound_gpu_hours
    told = [row(result.policy, result, bound) for result in comparison.scores]
    told.append(
        f"no fixed fleet up to {scene.max_replicas} | - | - | - | -"
        if fixed is None
        else row(f"best fixed fleet: {fixed.policy.removeprefix('fixed:')}", fixed, bound)
    )
    print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
    first = f"[{name}]({name}.yaml) | {scenario.description}"
    return [f"| {first if place == 0 else ' | '} | {text} |" for place, text in enumerate(told)]


def row(who: str, result: Score, bound: float) -> str:
    met = f"{100 * result.slo_attainment:.2f} %"
    ratio = f"{result.gpu_hours / bound:.2f}" if result.slo_attainment >= ATTAINMENT else "-"
    return f"{who} | {met} | {result.gpu_hours:.2f} | {ratio} | {result.mean_replicas:.1f} / {result.max_replicas}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="*")
    parser.add_argument("--write", action="store_true", help="put the table into simulations/README.md")
    options = parser.parse_args()
    table = HEAD + "".join(f"{line}\n" for name in options.scenario or names() for line in rows(name))
    print(table)
    if options.write:
        text = README.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[-1]
        README.write_text(f"{before}{BEGIN}{table}{END}{after}")


if __name__ == "__main__":
    main()
