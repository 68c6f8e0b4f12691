"""The arithmetic of the GPU calibration; the timing itself needs a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.gpu_calibration import fit, predicted

ROOT = Path(__file__).resolve().parents[2]


class Step(NamedTuple):
    """As the timing returns it."""

    prefill_tokens: int
    batch: int
    context_tokens: int
    seconds: float


def steps(base: float, prefill: float, sequence: float, context: float) -> list[Step]:
    """Return steps that follow the linear model."""
    shapes = [(p, 0, 0) for p in (64, 512, 4096)] + [(0, b, b * k) for b in (1, 8, 64) for k in (128, 1024, 4096)]
    return [Step(p, b, k, base + prefill * p + sequence * b + context * k) for p, b, k in shapes]


def test_exact_steps_give_back_their_coefficients():
    """Steps that follow the linear model are fitted without error."""
    given = steps(6.4e-3, 2e-5, 1e-5, 5e-8)
    assert fit(given) == pytest.approx([6.4e-3, 2e-5, 1e-5, 5e-8], rel=1e-6)
    assert predicted(fit(given), given[-1]) == pytest.approx(given[-1].seconds)


def test_no_coefficient_is_negative():
    """Where noise asks for a negative coefficient, it is zero, and the others fit as well as they can."""
    given = [step._replace(seconds=step.seconds - 3e-6 * step.batch) for step in steps(6.4e-3, 2e-5, 0.0, 5e-8)]
    found = fit(given)
    assert (found >= 0).all()
    assert found[2] == 0
    errors = [predicted(found, step) / step.seconds - 1 for step in given]
    assert np.mean(np.abs(errors)) < 0.05


def test_without_a_gpu_it_says_what_it_needs():
    """On a machine without PyTorch or a GPU: one line on standard error, exit code 1, no traceback."""
    script = "import sys; sys.modules['torch'] = None; from benchmarks.gpu_calibration import main; sys.exit(main())"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "pip install torch" in run.stderr
    assert "Traceback" not in run.stderr
