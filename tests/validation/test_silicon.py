"""Coefficients fitted on half of the measured runs of real engines, held to the other half; quick, for three groups.

All groups, and whole GPUs with models left out: `benchmarks/validation_closed_loop.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoscaler.simulator.fleet import compiled_kernel
from benchmarks.validation_rows import ROWS_PATH, Row, fit, read_rows, replay

GROUPS = (
    ("h100_sxm", "Llama-3.1-8B", "trtllm", "1.0.0rc3", "", "1"),
    ("h100_sxm", "Qwen3-32B", "vllm", "0.12.0", "", "4"),
    ("b200_sxm", "Llama-3.1-70B", "vllm", "", "fp8", "2"),
)


@pytest.fixture(scope="module")
def rows():
    """Return the measured rows."""
    path = Path(__file__).parents[3] / ROWS_PATH
    if not path.exists():
        pytest.skip(f"{ROWS_PATH} is not beside the checkout")
    if compiled_kernel() is None:
        pytest.skip("numba is not installed")
    return read_rows(path)


def _row(**changes):
    row = Row("h100_sxm", "Llama-3.1-8B", "vllm", "0", "", 1, 1000, 100, 8, 0.1, 0.01)
    return row._replace(**changes)


def test_half_of_the_rows_foretells_the_other_half(rows):
    """Median error of TPOT and of throughput over the rows left out is at most 5 % (each group split by seed 0)."""
    compiled, random, errors = compiled_kernel(), np.random.default_rng(0), []
    for group in GROUPS:
        mine = [row for row in rows if row.group == group]
        assert len(mine) >= 15
        order = random.permutation(len(mine))
        half = len(mine) // 2
        coefficients = fit([mine[place] for place in order[:half]], compiled)
        for row in (mine[place] for place in order[half:]):
            found = replay(row, coefficients, compiled)
            throughput = found.output_tokens_per_second / row.output_tokens_per_second
            errors.append((abs(found.tpot_seconds / row.tpot_seconds - 1), abs(throughput - 1)))
    tpot, throughput = np.median(errors, axis=0)
    print(f"TPOT {tpot:.2%}, throughput {throughput:.2%}, {len(errors)} rows")
    assert tpot <= 0.05
    assert throughput <= 0.05


def test_the_fit_finds_the_coefficients_that_made_the_rows():
    """Rows that the simulator itself made give back the coefficients they were made with, within 3 %."""
    true = np.array([6.42e-3, 19.6e-6, 3e-5, 5e-8])
    compiled = compiled_kernel()
    made = []
    for prompt, output, clients in [(1000, 200, 4), (4000, 200, 16), (500, 800, 64), (200, 500, 128), (8000, 300, 8)]:
        row = _row(prompt_tokens=prompt, output_tokens=output, concurrency=clients)
        result = replay(row, true, compiled)
        made.append(row._replace(tpot_seconds=result.tpot_seconds, ttft_seconds=result.ttft_seconds))
    assert fit(made, compiled) == pytest.approx(true, rel=0.03)


def test_the_cache_of_a_row_follows_the_formula():
    """An RTX 4090 with an 8B model holds about 41,408 tokens, as measured; the formula says so of 24 GiB within 6 %."""
    row = _row()
    free_gib = (0.9 * 24 - 1.3) - 8.03e9 * 2 / 2**30
    assert free_gib * 2**30 / (2 * 32 * 8 * 128 * 2) == pytest.approx(41_408, rel=0.06)
    assert row.kv_tokens == pytest.approx(450_000, rel=0.05)
    assert not row.cache_binds
    assert row._replace(concurrency=1000).cache_binds


def test_throughput_of_a_row_is_littles_law():
    """8 clients with 100 tokens, 0.1 s to the first and 10 ms for each of the 99 others: 800 tokens in 1.09 s."""
    assert _row().output_tokens_per_second == pytest.approx(800 / 1.09)
