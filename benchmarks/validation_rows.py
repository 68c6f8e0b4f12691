"""Measured closed-loop runs of serving engines, and how iteration coefficients are fitted to them.

The rows are AIConfigurator's silicon samples (ai-dynamo/aiconfigurator, Apache-2.0): mean TTFT and TPOT of a fixed
number of clients with fixed lengths. A fit is relative least squares with non-negative coefficients: first by formula,
with every client decoding all the time, then a Gauss-Newton step in which the simulator itself says how TPOT depends on
each coefficient, for a client in prefill decodes nothing.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import nnls

from autoscaler.experiments.closed_loop import ClosedLoop, closed_loop
from autoscaler.simulator import kernel
from autoscaler.simulator.arrays import histogram_bounds
from autoscaler.simulator.layout import UNLIMITED, Model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autoscaler.simulator.fleet import Advance

ROWS_PATH = "shared/calibration/aic_silicon_ttft_tpot_subset.csv"
"""Beside the checkout."""
ROUNDS = 3
"""Requests measured, per client; equal requests repeat themselves, so more rounds change nothing."""


class Shape(NamedTuple):
    """What of a model matters to time and memory."""

    parameters: float
    layers: int
    hidden: int
    cache_bytes_per_token: float
    """Keys and values, 16 bits each."""


class Gpu(NamedTuple):
    """Datasheet figures; FLOP/s dense."""

    memory_gib: float
    bytes_per_second: float
    link_bytes_per_second: float
    flops: float
    """At 16 bits; twice that at 8, four times at 4."""


SHAPES = {
    "Llama-3.1-8B": Shape(8.03e9, 32, 4096, 2 * 32 * 8 * 128 * 2),
    "Qwen3-32B": Shape(32.8e9, 64, 5120, 2 * 64 * 8 * 128 * 2),
    "Llama-3.1-70B": Shape(70.6e9, 80, 8192, 2 * 80 * 8 * 128 * 2),
    "gpt-oss-120b": Shape(117e9, 36, 2880, 2 * 36 * 8 * 64 * 2 / 2),
}
"""gpt-oss: every other layer sees a window of 128 tokens only, which counts as nothing here."""
GPUS = {
    "h100_sxm": Gpu(80, 3.35e12, 450e9, 989e12),
    "h200_sxm": Gpu(141, 4.8e12, 450e9, 989e12),
    "b200_sxm": Gpu(180, 8.0e12, 900e9, 2250e12),
    "gb200": Gpu(186, 8.0e12, 900e9, 2500e12),
}
WEIGHT_BYTES = {"": 2.0, "fp8": 1.0, "fp4": 0.57}


class Row(NamedTuple):
    """One measured run."""

    system: str
    model: str
    backend: str
    version: str
    precision: str
    gpus: int
    prompt_tokens: int
    output_tokens: int
    concurrency: int
    ttft_seconds: float
    tpot_seconds: float

    @property
    def group(self) -> tuple[str, ...]:
        """What one set of coefficients stands for."""
        return (self.system, self.model, self.backend, self.version, self.precision, str(self.gpus))

    @property
    def pair(self) -> tuple[str, str]:
        """What is left out as a whole."""
        return (self.system, self.model)

    @property
    def dense(self) -> bool:
        """Whether every token meets every weight; else it is a mixture of experts."""
        return not self.model.startswith("gpt-oss")

    @property
    def output_tokens_per_second(self) -> float:
        """By Little's law, as the rows do not say it: clients · tokens / (TTFT + TPOT · (tokens - 1))."""
        e2e = self.ttft_seconds + self.tpot_seconds * (self.output_tokens - 1)
        return self.concurrency * self.output_tokens / e2e

    @property
    def kv_tokens(self) -> int:
        """KV cache by formula: memory at 0.9, less weights and 1.3 GiB a GPU."""
        shape, memory = SHAPES[self.model], GPUS[self.system].memory_gib
        free_gib = (0.9 * memory - 1.3) * self.gpus - shape.parameters * WEIGHT_BYTES[self.precision] / 2**30
        return int(max(free_gib, 0.1) * 2**30 / shape.cache_bytes_per_token)

    @property
    def cache_binds(self) -> bool:
        """Whether the clients' requests do not all fit in the cache at once."""
        return self.concurrency * (self.prompt_tokens + self.output_tokens) > self.kv_tokens

    @property
    def features(self) -> tuple[float, float, float, float]:
        """What multiplies a, b, c and d in TPOT, with every client decoding all the time."""
        prompt, output, clients = self.prompt_tokens, self.output_tokens, self.concurrency
        return (1.0, clients * prompt / output, clients, clients * (prompt + output / 2))


def read_rows(path: Path) -> list[Row]:
    """Return the rows; the model's name without its maker, and without what only names a precision."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_row(row) for row in csv.DictReader(file)]


def _row(row: dict[str, str]) -> Row:
    name = row["model_path"].split("/")[-1]
    model = next(known for known in SHAPES if name.startswith(known))
    numbers = (int(float(row[column])) for column in ("tp_size", "isl", "osl", "concurrency"))
    times = (float(row[column]) / 1e3 for column in ("silicon_ttft_ms", "silicon_tpot_ms"))
    return Row(row["system"], model, row["backend"], row["backend_version"], row["precision"], *numbers, *times)


def replica(row: Row, coefficients: Sequence[float]) -> Model:
    """Return the replica that ran a row, with these a, b, c, d in seconds; front-end time is in the coefficients."""
    base, prefill, sequence, context = map(float, coefficients)
    return Model(
        base_seconds=base,
        prefill_seconds=prefill,
        sequence_seconds=sequence,
        context_seconds=context,
        square_seconds=0.0,
        hinge_tokens=-1,
        front_seconds=0.0,
        back_seconds=0.0,
        token_seconds=0.0,
        max_sequences=1024,
        budget_tokens=8192,
        kv_tokens=max(row.kv_tokens, 20_000),
        conservative=False,
        longest_tokens=10**9,
        router=kernel.ROUND_ROBIN,
        queue_limit=UNLIMITED,
        gateway_limit=UNLIMITED,
        timeout_seconds=math.inf,
        bounds=histogram_bounds((1.0,), (1.0,), (1.0,)),
    )


def replay(row: Row, coefficients: Sequence[float], compiled: Advance | None) -> ClosedLoop:
    """Return the closed loop of a row."""
    return closed_loop(
        replica(row, coefficients),
        concurrency=row.concurrency,
        prompt_tokens=row.prompt_tokens,
        output_tokens=row.output_tokens,
        requests=ROUNDS * row.concurrency,
        compiled=compiled,
    )


def solve(features: np.ndarray, tpot_seconds: np.ndarray) -> np.ndarray:
    """Return non-negative coefficients by relative least squares."""
    relative = features / tpot_seconds[:, None]
    scale = relative.max(axis=0)
    scale[scale == 0] = 1.0
    solution: np.ndarray = nnls(relative / scale, np.ones(len(tpot_seconds)))[0] / scale
    return solution


def fit(rows: Sequence[Row], compiled: Advance | None, *, newton_steps: int = 1) -> np.ndarray:
    """Return a, b, c, d in seconds, fitted to the rows whose requests fit in the cache."""
    fitted = [row for row in rows if not row.cache_binds]
    tpot = np.array([row.tpot_seconds for row in fitted])
    coefficients = solve(np.array([row.features for row in fitted]), tpot)
    for _ in range(newton_steps):
        slopes = np.array([gradient(row, coefficients, compiled) for row in fitted])
        coefficients = solve(slopes, tpot)
    return coefficients


def gradient(row: Row, coefficients: np.ndarray, compiled: Advance | None) -> np.ndarray:
    """Return what multiplies each coefficient in the simulated TPOT.

    TPOT is a sum of iterations, linear in the coefficients as long as the schedule stays, so what each adds is how
    TPOT changes with it; a coefficient of zero is tried at a millionth of the others' weight.
    """
    base = replay(row, coefficients, compiled).tpot_seconds
    slopes = np.empty(4)
    for place, feature in enumerate(row.features):
        nudge = 0.01 * base / feature
        nudged = coefficients.copy()
        nudged[place] += nudge
        slopes[place] = (replay(row, nudged, compiled).tpot_seconds - base) / nudge
    # The sum over coefficients must give TPOT itself; what chaos of the schedule is in a difference is spread.
    total = float(slopes @ coefficients)
    return slopes * (base / total) if total > 0 else np.array(row.features)
