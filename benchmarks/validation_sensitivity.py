"""What the mean-field formula says, and what 10 % do to the results: `python benchmarks/validation_sensitivity.py`.

Mean field: `TPOT = a / (1 - load)` with `load = rate · (b·in + out·(c + d·context))` per replica. Traffic: Poisson,
lognormal lengths with means of about 1,000 and 200 tokens, an H100 with Llama-3.1-8B; 200,000 requests a point, the
first tenth cut, four seeds, the 99 % confidence interval over them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import Serving, replica_model

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Model

REQUESTS, SEEDS, REPLICAS = 200_000, 4, 4
STUDENT_99 = 5.841
"""Student's t for four seeds, 99 %."""
TTFT_OBJECTIVE, TPOT_OBJECTIVE = 0.5, 0.030
COEFFICIENTS = {"a": "base_seconds", "b": "prefill_seconds", "c": "sequence_seconds", "d": "context_seconds"}


def lengths(seed: int, count: int = REQUESTS) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    random = np.random.default_rng(seed)
    prompts = random.lognormal(np.log(1000) - 0.5, 1.0, count).clip(1, 16_000).astype(np.int32)
    outputs = random.lognormal(np.log(200) - 0.5, 1.0, count).clip(2, 4_000).astype(np.int32)
    return prompts, outputs, random


def work_seconds(model: Model) -> float:
    """Return the work of a mean request beyond the base, over many lengths."""
    prompts, outputs, _ = (part for part in lengths(99, 2_000_000))
    decode = outputs * (model.sequence_seconds + model.context_seconds * (prompts + outputs / 2))
    return float((model.prefill_seconds * prompts + decode).mean())


def simulate(model: Model, rate: float, seed: int) -> dict[str, float]:
    """Return the figures of one run: `rate` is per replica."""
    prompts, outputs, random = lengths(seed)
    arrivals = np.cumsum(random.exponential(1 / (rate * REPLICAS), REQUESTS))
    fleet = SimulatedFleet(model, iter([0.0] * REPLICAS), seed=seed, compiled=compiled_kernel())
    fleet.add_requests(arrivals, prompts, outputs)
    fleet.scale_to(REPLICAS, 0.0)
    fleet.advance(float(arrivals[-1]) + 1e6)
    results = fleet.results()
    steady = slice(REQUESTS // 10, None)
    first = (results.first_token - results.arrival)[steady]
    decode = (results.finish - results.first_token)[steady]
    tokens = (outputs - 1)[steady]
    met = (first <= TTFT_OBJECTIVE) & (decode / tokens <= TPOT_OBJECTIVE)
    return {
        "tpot_seconds": float(decode.sum() / tokens.sum()),
        "ttft_p99_seconds": float(np.quantile(first, 0.99)),
        "attainment": float(met.mean()),
    }


def estimate(model: Model, rate: float) -> dict[str, tuple[float, float]]:
    """Return mean and half width of the interval of each figure."""
    runs = [simulate(model, rate, seed) for seed in range(SEEDS)]
    found = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        found[name] = (float(values.mean()), float(STUDENT_99 * values.std(ddof=1) / np.sqrt(SEEDS)))
    return found


def mean_field(model: Model, loads: tuple[float, ...]) -> list[dict[str, float]]:
    """Return the simulated TPOT and the formula's, at each load."""
    work, rows = work_seconds(model), []
    for load in loads:
        mean, width = estimate(model, load / work)["tpot_seconds"]
        formula = model.base_seconds / (1 - load)
        rows.append({"load": load, "simulated": mean, "half_width": width, "formula": formula})
    return rows


def sensitivity(model: Model, loads: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the figures with each coefficient 10 % less and more, at the traffic that makes these loads unchanged."""
    work, rows = work_seconds(model), []
    for load in loads:
        rows.append({"load": load, "coefficient": "-", "factor": 1.0, **estimate(model, load / work)})
        for letter, name in COEFFICIENTS.items():
            for factor in (0.9, 1.1):
                changed = model._replace(**{name: factor * getattr(model, name)})
                rows.append({"load": load, "coefficient": letter, "factor": factor, **estimate(changed, load / work)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="all figures, as JSON")
    options = parser.parse_args()
    serving = Serving(front_seconds=0.0, back_seconds=0.0, token_seconds=0.0)
    model = replica_model("h100-llama-3.1-8b", serving)
    field = mean_field(model._replace(kv_tokens=10**9), (0.03, 0.1, 0.2, 0.32, 0.5, 0.64, 0.75, 0.83, 0.9))
    print("| load | TPOT simulated | TPOT = a / (1 - load) | formula off by |\n|---|---|---|---|")
    for row in field:
        simulated = f"{1e3 * row['simulated']:.2f} +/- {1e3 * row['half_width']:.2f} ms"
        off = 100 * (row["formula"] / row["simulated"] - 1)
        print(f"| {row['load']:.2f} | {simulated} | {1e3 * row['formula']:.2f} ms | {off:+.1f} % |")
    table = sensitivity(model, (0.5, 0.8))
    print("\n| load | coefficient | TPOT | TTFT p99 | attainment |\n|---|---|---|---|---|")
    for row in table:
        base = next(other for other in table if other["load"] == row["load"])
        cells = [f"{100 * (row[name][0] / base[name][0] - 1):+.1f} %" for name in ("tpot_seconds", "ttft_p99_seconds")]
        cells.append(f"{100 * row['attainment'][0]:.2f} %")
        if row is base:
            cells[:2] = [f"{1e3 * row[name][0]:.2f} ms" for name in ("tpot_seconds", "ttft_p99_seconds")]
        what = "as it is" if row is base else f"{row['coefficient']} {100 * (row['factor'] - 1):+.0f} %"
        print(f"| {row['load']:.1f} | {what} | {' | '.join(cells)} |")
    if options.out:
        options.out.write_text(json.dumps({"mean_field": field, "sensitivity": table}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
