"""Measure an engine's step times on a GPU, fit the simulator's coefficients, and hold the simulator against a run.

Needs a CUDA GPU with about 40 GB free and PyTorch 2.5 or later (`pip install torch`); nothing is downloaded, for the
weights are random. `--tiny` tries the script on a CPU with a toy model, whose figures mean nothing.

    python -m benchmarks.gpu_calibration --out calibration.json

Writes every step, the coefficients of `t = a + b·prefill + c·batch + d·context` with their error, and for each closed
loop the measured and the simulated time per token and throughput.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.gpu.timing import Loop, Step

COLUMNS = ("base_seconds", "prefill_seconds", "sequence_seconds", "context_seconds")


def fit(steps: list[Step]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a, b, c, d >= 0 with the least squared relative error.

    Four unknowns: every subset of them is solved, and the best non-negative solution is the optimum (Lawson and Hanson,
    Solving Least Squares Problems, 1974, chapter 23: it is the free solution of its own support).
    """
    rows = np.array([[1.0, step.prefill_tokens, step.batch, step.context_tokens] for step in steps])
    rows /= np.array([[step.seconds] for step in steps])
    best, least = np.zeros(4), np.inf
    for size in range(1, 5):
        for support in itertools.combinations(range(4), size):
            part, *_ = np.linalg.lstsq(rows[:, support], np.ones(len(steps)), rcond=None)
            error = float(((rows[:, support] @ part - 1.0) ** 2).sum())
            if (part >= 0).all() and error < least:
                best, least = np.zeros(4), error
                best[list(support)] = part
    return best


def predicted(coefficients: np.ndarray[Any, np.dtype[np.float64]], step: Step) -> float:
    """Return the linear model's time of a step, in seconds."""
    return float(coefficients @ np.array([1.0, step.prefill_tokens, step.batch, step.context_tokens]))


def simulated(coefficients: np.ndarray[Any, np.dtype[np.float64]], loop: Loop, kv_tokens: int) -> dict[str, float]:
    """Return the simulator's time per token and throughput for the closed loop that was measured."""
    from autoscaler.experiments.closed_loop import closed_loop
    from autoscaler.simulator.model import Serving, replica_model

    # the engine prefills one prompt a step, so a budget of one prompt beside the batch; and it has no HTTP front end
    serving = Serving(
        max_sequences=loop.concurrency,
        budget_tokens=loop.prompt_tokens + loop.concurrency,
        front_seconds=0.0,
        back_seconds=0.0,
        token_seconds=0.0,
    )
    named = dict(zip(COLUMNS, coefficients.tolist(), strict=True))
    model = replica_model("h100-llama-3.1-8b", serving)._replace(**named, kv_tokens=kv_tokens)
    ran = closed_loop(
        model,
        concurrency=loop.concurrency,
        prompt_tokens=loop.prompt_tokens,
        output_tokens=loop.output_tokens,
        requests=8 * loop.concurrency,
    )
    return {"tpot_seconds": ran.tpot_seconds, "output_tokens_per_second": ran.output_tokens_per_second}


def measure(*, tiny: bool, repeats: int) -> dict[str, Any]:
    """Return all that was measured, fitted and simulated, as plain values."""
    import torch

    from benchmarks.gpu.llama import TINY, Llama, Shape
    from benchmarks.gpu.timing import closed_loop, decode_steps, prefill_steps

    device, dtype = ("cpu", torch.float32) if tiny else ("cuda", torch.bfloat16)
    slots, length = (4, 256) if tiny else (64, 4096)
    model = Llama(TINY if tiny else Shape(), slots, length, device, dtype)
    chunks = [16, 64] if tiny else [64, 128, 256, 512, 1024, 2048, 4096]
    batches, contexts = ([1, 4], [64, 128]) if tiny else ([1, 2, 4, 8, 16, 32, 64], [128, 512, 1024, 2048, 4096])
    loops = [(2, 32, 8)] if tiny else [(1, 1024, 128), (8, 1024, 128), (32, 1024, 128), (64, 512, 256)]
    steps = prefill_steps(model, chunks, repeats) + decode_steps(model, batches, contexts, repeats)
    coefficients = fit(steps)
    errors = [abs(predicted(coefficients, step) / step.seconds - 1.0) for step in steps]
    rows = []
    for concurrency, prompt, output in loops:
        loop = closed_loop(model, concurrency, prompt, output, requests=2 * concurrency)
        rows.append({"measured": loop._asdict(), "simulated": simulated(coefficients, loop, slots * length)})
    name = "CPU, toy model" if tiny else torch.cuda.get_device_name()
    return {
        "device": name,
        "torch": torch.__version__,
        "coefficients": dict(zip(COLUMNS, coefficients.tolist(), strict=True)),
        "mean_absolute_error": float(np.mean(errors)),
        "worst_error": float(np.max(errors)),
        "steps": [step._asdict() for step in steps],
        "closed_loops": rows,
    }


def report(found: dict[str, Any]) -> str:
    """Return the figures as text."""
    fitted = ", ".join(f"{name} {value:.3g}" for name, value in found["coefficients"].items())
    lines = [
        f"{found['device']}, PyTorch {found['torch']}",
        f"fitted: {fitted}",
        f"error: mean {found['mean_absolute_error']:.1%}, worst {found['worst_error']:.1%}",
    ]
    for row in found["closed_loops"]:
        seen, ran = row["measured"], row["simulated"]
        tpot = ran["tpot_seconds"] / seen["tpot_seconds"] - 1.0
        rate = ran["output_tokens_per_second"] / seen["output_tokens_per_second"] - 1.0
        lines.append(
            f"closed loop of {seen['concurrency']}, {seen['prompt_tokens']} in, {seen['output_tokens']} out: "
            f"TPOT {seen['tpot_seconds'] * 1e3:.2f} ms measured, simulated {tpot:+.1%}; "
            f"{seen['output_tokens_per_second']:.0f} tokens/s measured, simulated {rate:+.1%}"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    parser.add_argument("--repeats", type=int, default=20, help="timed repeats of each step")
    parser.add_argument(
        "--tiny", action="store_true", help="a toy model on the CPU: tries the script, measures nothing"
    )
    given = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("PyTorch is missing: pip install torch", file=sys.stderr)
        return 1
    if not given.tiny and not torch.cuda.is_available():
        print(
            "no CUDA GPU here: run this on a machine with one (about 40 GB free), or try it with --tiny",
            file=sys.stderr,
        )
        return 1
    found = measure(tiny=given.tiny, repeats=given.repeats)
    print(report(found))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
