"""NVIDIA's DynoSim on the same traffic and fleet, with our step times: `python benchmarks/second_opinion.py`.

It needs `ai-dynamo==1.4.1` with scikit-learn, pmdarima, filterpy, prophet, plotly, pandas, prometheus-api-client,
kubernetes_asyncio and aiohttp in an environment of its own; `--dynamo-python` is that one's interpreter. The traffic is
written as a Mooncake trace without shared prefixes, the four coefficients as the table that its mocker takes
(`planner_profile_data`): `prefill_ttft = b·isl` and `decode_itl[K, ctx] = a + d·K + c·K/ctx`, since a step with prompts
and decoding requests takes the sum of both. Front-end times are off, for DynoSim has none.

Prints the percentiles of TTFT, TPOT and E2E side by side, and the ratio of speeds; exits with 1 unless all fleets
agree within 3 % and ours is 100 times faster. Speed: its own wall time of the replay, the least of three,
against ours of adding the requests and simulating them, compiled, the least of five; neither reads files nor compiles
in it. Its cache has blocks of 16 tokens, vLLM's default; for speed it runs with blocks of 64, which makes it several
times faster, and without a report by request.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.traces.load import load_trace

BLOCK_TOKENS, FAST_BLOCK_TOKENS = 16, 64
PREFIX_BLOCK_TOKENS = 512
TOLERANCE, LEAST_RATIO = 0.03, 100.0
QUANTILES = (50, 90, 99)


class Traffic(NamedTuple):
    """Requests in order of arrival."""

    arrival_seconds: np.ndarray
    prompt_tokens: np.ndarray
    output_tokens: np.ndarray


class Fleet(NamedTuple):
    """One comparison; round robin, which both have."""

    name: str
    preset: str
    replicas: int
    speed: float
    """How much faster than recorded the trace is replayed; 0 for the synthetic traffic."""
    budget_tokens: int = 8192
    max_sequences: int = 256


FLEETS = (
    Fleet("conversation x2, 1 x H100 8B", "h100-llama-3.1-8b", 1, 2.0),
    Fleet("conversation x10, 4 x H100 8B", "h100-llama-3.1-8b", 4, 10.0),
    Fleet("conversation x10, 4 x H100 8B, budget 2048", "h100-llama-3.1-8b", 4, 10.0, 2048),
    Fleet("conversation x40, 12 x H100 8B", "h100-llama-3.1-8b", 12, 40.0),
    Fleet("conversation x4, 8 x H100 70B FP8 TP2", "h100-llama-3.1-70b-fp8-tp2", 8, 4.0),
    Fleet("conversation x4, 4 x A100 8B, 64 sequences", "a100-llama-3.1-8b", 4, 4.0, 8192, 64),
    Fleet("synthetic 120/s, 8 x H100 8B", "h100-llama-3.1-8b", 8, 0.0),
)


def traffic(fleet: Fleet, trace: Path) -> Traffic:
    """Return the trace, faster, or 20,000 Poisson arrivals with lognormal lengths (seed 7)."""
    if fleet.speed:
        loaded = load_trace(trace)
        return Traffic(loaded.arrival_seconds / fleet.speed, loaded.prompt_tokens, loaded.output_tokens)
    random = np.random.default_rng(7)
    prompts = random.lognormal(np.log(1000) - 0.5, 1.0, 20_000).clip(1, 16_000).astype(np.int32)
    outputs = random.lognormal(np.log(200) - 0.5, 1.0, 20_000).clip(2, 4_000).astype(np.int32)
    return Traffic(np.cumsum(random.exponential(1 / 120.0, 20_000)), prompts, outputs)


def ours(fleet: Fleet, requests: Traffic) -> tuple[dict[str, np.ndarray], float]:
    """Return seconds by request, and the wall time of the fastest of five replays."""
    serving = Serving(
        router="RoundRobin",
        budget_tokens=fleet.budget_tokens,
        max_sequences=fleet.max_sequences,
        front_seconds=0.0,
        back_seconds=0.0,
        token_seconds=0.0,
    )
    model, compiled = replica_model(fleet.preset, serving), compiled_kernel()
    walls = []
    for _ in range(6):
        began = time.perf_counter()
        simulated = SimulatedFleet(model, iter([0.0] * fleet.replicas), compiled=compiled)
        simulated.add_requests(*requests)
        simulated.scale_to(fleet.replicas, 0.0)
        simulated.advance(float(requests.arrival_seconds[-1]) + 1e5)
        walls.append(time.perf_counter() - began)
    results = simulated.results()
    tokens = np.maximum(results.output_tokens - 1, 1)
    return {
        "TTFT": results.first_token - results.arrival,
        "TPOT": ((results.finish - results.first_token) / tokens)[results.output_tokens > 1],
        "E2E": results.finish - results.arrival,
    }, min(walls[1:])


def theirs(
    fleet: Fleet, requests: Traffic, python: Path, profile: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], float]:
    """Return seconds by request, and the least wall time that the replay itself reports."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "profile.npz"), **profile)
        write_trace(Path(folder, "trace.jsonl"), requests)
        kv_tokens = replica_model(fleet.preset).kv_tokens
        engine = {
            "planner_profile_data": str(Path(folder, "profile.npz")),
            "max_num_seqs": fleet.max_sequences,
            "max_num_batched_tokens": fleet.budget_tokens,
            "enable_prefix_caching": False,
        }
        command = [
            str(python), "-m", "dynamo.replay", str(Path(folder, "trace.jsonl")), "--replay-mode", "offline",
            "--router-mode", "round_robin", "--num-workers", str(fleet.replicas),
        ]  # fmt: skip

        def replay(block_tokens: int) -> dict[str, Any]:
            blocks = {"block_size": block_tokens, "num_gpu_blocks": kv_tokens // block_tokens}
            arguments = ["--extra-engine-args", json.dumps(engine | blocks)]
            by_one = ["--report-jsonl", str(Path(folder, "requests.jsonl"))] if block_tokens == BLOCK_TOKENS else []
            run([*command, *arguments, "--report-json", str(Path(folder, "report.json")), *by_one], folder)
            report: dict[str, Any] = json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))
            return report

        wall = min(replay(FAST_BLOCK_TOKENS)["wall_time_ms"] for _ in range(3)) / 1e3
        replay(BLOCK_TOKENS)
        lines = Path(folder, "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return by_request([json.loads(line) for line in lines]), wall


def run(command: list[str], folder: str) -> None:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=600,
        env=os.environ | {"DYN_LOG": "error"},
    )
    if done.returncode:
        sys.exit(f"dynamo.replay failed:\n{done.stderr[-2000:]}")


def write_trace(path: Path, requests: Traffic) -> None:
    """Write the traffic in Mooncake's format: milliseconds, lengths, and prefix blocks that nobody shares."""
    lines, block = [], 0
    for at, prompt, output in zip(*(column.tolist() for column in requests), strict=True):
        blocks = -(-prompt // PREFIX_BLOCK_TOKENS)
        hashes = list(range(block, block + blocks))
        line = {"timestamp": at * 1e3, "input_length": prompt, "output_length": output, "hash_ids": hashes}
        lines.append(json.dumps(line) + "\n")
        block += blocks
    path.write_text("".join(lines), encoding="utf-8")


def step_times(preset: str) -> dict[str, np.ndarray]:
    """Return the coefficients as the mocker's table, in milliseconds; it interpolates, hence the dense grid."""
    model = replica_model(preset)
    base, prefill, sequence, context = (1e3 * seconds for seconds in model[:4])
    cached = np.unique(np.r_[np.arange(0, 2000, 250), np.geomspace(2000, model.kv_tokens, 150)])
    length = np.unique(np.geomspace(1, 20_000, 500).round())
    return {
        "prefill_isl": np.array([0.0, 1.0, 100.0, 1000.0, 8192.0, 131_072.0]),
        "prefill_ttft_ms": prefill * np.array([0.0, 1.0, 100.0, 1000.0, 8192.0, 131_072.0]),
        "decode_active_kv_tokens": cached,
        "decode_context_length": length,
        "decode_itl": base + context * cached[:, None] + sequence * cached[:, None] / length[None, :],
    }


def by_request(lines: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    def column(name: str) -> np.ndarray:
        return np.array([line[name] for line in lines], np.float64) / 1e3

    tokens = np.array([line["output_length"] for line in lines])
    decode = column("last_token_ms") - column("first_token_ms")
    tpot = (decode / np.maximum(tokens - 1, 1))[tokens > 1]
    return {"TTFT": column("ttft_ms"), "TPOT": tpot, "E2E": column("e2e_latency_ms")}


def compare(fleet: Fleet, trace: Path, python: Path) -> dict[str, Any]:
    requests = traffic(fleet, trace)
    mine, wall = ours(fleet, requests)
    other, other_wall = theirs(fleet, requests, python, step_times(fleet.preset))
    cells, worst = [], 0.0
    for name in ("TTFT", "TPOT", "E2E"):
        for quantile in QUANTILES:
            one, two = (float(np.percentile(side[name], quantile)) for side in (mine, other))
            cells.append({"what": f"{name} p{quantile}", "ours": one, "dynosim": two, "difference": one / two - 1})
            worst = max(worst, abs(one / two - 1))
    count = len(requests.arrival_seconds)
    speed = {"ours": count / wall, "dynosim": count / other_wall, "ratio": other_wall / wall}
    return {"fleet": fleet.name, "requests": count, "cells": cells, "worst": worst, "requests_per_second": speed}


def show(found: dict[str, Any]) -> None:
    speed = found["requests_per_second"]
    print(f"\n{found['fleet']}: {found['requests']} requests, worst difference {100 * found['worst']:.1f} %")
    print(f"  requests/s: ours {speed['ours']:,.0f}, DynoSim {speed['dynosim']:,.0f}: {speed['ratio']:,.0f} times")
    for cell in found["cells"]:
        line = f"  {cell['what']:8s} {1e3 * cell['ours']:10.2f} ms {1e3 * cell['dynosim']:10.2f} ms"
        print(f"{line} {100 * cell['difference']:+6.2f} %", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dynamo-python", type=Path, help="interpreter with ai-dynamo==1.4.1")
    parser.add_argument("--trace", type=Path, help="the Azure conversation trace of 2023")
    parser.add_argument("--out", type=Path, help="all figures, as JSON")
    options = parser.parse_args()
    trace = options.trace or Path(__file__).parents[2] / "shared/traces/azure-llm-2023-conv.csv.xz"
    if options.dynamo_python is None:
        print("needs --dynamo-python: the interpreter of an environment with ai-dynamo==1.4.1")
        return 0
    if not trace.exists():
        print(f"{trace}: not there; give the Azure conversation trace with --trace")
        return 0
    found = []
    for fleet in FLEETS:
        found.append(compare(fleet, trace, options.dynamo_python))
        show(found[-1])
    if options.out:
        options.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    agree = all(each["worst"] <= TOLERANCE for each in found)
    fast = all(each["requests_per_second"]["ratio"] >= LEAST_RATIO for each in found)
    print(f"\nwithin {100 * TOLERANCE:.0f} %: {agree}; at least {LEAST_RATIO:.0f} times faster: {fast}")
    return 0 if agree and fast else 1


if __name__ == "__main__":
    sys.exit(main())
