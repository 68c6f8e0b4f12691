"""Iteration times of GPU, model and tensor parallelism, each with its source and how far to trust it.

Coefficients are in milliseconds and tokens: `t = a + b·prefill + c·batch + d·context`. They depend on the engine's
version. Measured: fitted to measured end-to-end latencies. Composed: summed from measured kernels, without CPU and
all-reduce cost, base raised by half a millisecond. Physics: scaled from bandwidth and FLOP/s, not verified.

Sources: AIConfigurator (ai-dynamo/aiconfigurator, silicon samples and operator tables), Splitwise
(Mutinifni/splitwise-sim `data/perf_model.csv`), BLIS's open-loop runs of vLLM; relative least squares, non-negative.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Grade(StrEnum):
    """How far a preset may be trusted."""

    MEASURED = "measured"
    COMPOSED = "composed"
    PHYSICS = "physics"


class Preset(NamedTuple):
    """One replica: a model on its GPUs."""

    name: str
    gpu: str
    model: str
    gpus: int
    """Tensor parallelism."""
    base_ms: float
    prefill_ms: float
    """Per prompt token."""
    sequence_ms: float
    """Per decoding request."""
    context_ms: float
    """Per token of context."""
    kv_tokens: int
    """The KV cache at 0.9 memory utilisation."""
    context_tokens: int
    """The model's longest context."""
    grade: Grade
    engine: str
    source: str


_M, _C, _P = Grade.MEASURED, Grade.COMPOSED, Grade.PHYSICS
_LLAMA_70B = "Llama-3.1-70B FP8"
_SILICON = "AIConfigurator silicon samples, closed loop"
_KERNELS = "AIConfigurator operator tables"
_SCALED = "memory bandwidth and FLOP/s"
_ROWS = (
    Preset(
        "h100-llama-3.1-8b", "H100-SXM-80", "Llama-3.1-8B", 1, 6.42, 0.0196, 0.004, 5.0e-5, 450_000, 131_072,
        _M, "TensorRT-LLM", f"{_SILICON}: error 1.8 %, 2.0 % leave-one-out",
    ),
    Preset(
        "h100-llama-2-7b", "H100-SXM-80", "Llama-2-7B", 1, 6.1, 0.0173, 0.012, 1.66e-4, 117_000, 4_096,
        _M, "vLLM 0.15", "BLIS open-loop runs: error 0.8 %; prefill composed",
    ),
    Preset(
        "h100-qwen3-32b-tp2", "H100-SXM-80", "Qwen3-32B", 2, 13.96, 0.049, 0.057, 5.42e-5, 316_000, 40_960,
        _M, "vLLM 0.12", f"{_SILICON}: error 2.0 %",
    ),
    Preset(
        "h100-qwen3-32b-tp4", "H100-SXM-80", "Qwen3-32B", 4, 9.26, 0.0288, 0.061, 2.53e-5, 890_000, 40_960,
        _M, "vLLM 0.12", f"{_SILICON}: error 1.8 %",
    ),
    Preset(
        "h100-qwen3-32b-tp8", "H100-SXM-80", "Qwen3-32B", 8, 7.02, 0.018, 0.066, 1.1e-5, 2_060_000, 40_960,
        _M, "vLLM 0.12", f"{_SILICON}: error 2.1 %; KV cache by formula",
    ),
    Preset(
        "h100-llama-3.1-70b-fp8-tp2", "H100-SXM-80", _LLAMA_70B, 2, 16.55, 0.0688, 0.041, 5.81e-5, 236_000, 131_072,
        _M, "vLLM", f"{_SILICON}: error 0.9 %",
    ),
    Preset(
        "h100-llama-3.1-70b-fp8-tp4", "H100-SXM-80", _LLAMA_70B, 4, 11.02, 0.0446, 0.055, 2.79e-5, 700_000, 131_072,
        _M, "vLLM", f"{_SILICON}: error 2.2 %",
    ),
    Preset(
        "h200-llama-3.1-70b-fp8", "H200-SXM-141", _LLAMA_70B, 1, 20.06, 0.106, 0.066, 8.6e-5, 190_000, 131_072,
        _M, "vLLM", f"{_SILICON}: error 2.5 %",
    ),
    Preset(
        "b200-llama-3.1-70b-fp8", "B200-SXM", _LLAMA_70B, 1, 15.7, 0.067, 0.014, 2.34e-5, 300_000, 131_072,
        _M, "vLLM", f"{_SILICON}: error 1.1 %",
    ),
    Preset(
        "a100-llama-3.1-8b", "A100-SXM-80", "Llama-3.1-8B", 1, 10.8, 0.0573, 0.034, 7.9e-5, 450_000, 131_072,
        _C, "vLLM 0.14", f"{_KERNELS}: error 5.5 %",
    ),
    Preset(
        "a100-mistral-7b", "A100-SXM-80", "Mistral-7B", 1, 10.3, 0.0572, 0.034, 7.9e-5, 455_000, 32_768,
        _C, "vLLM 0.14", f"{_KERNELS}: error 5.6 %",
    ),
    Preset(
        "a100-qwen2.5-7b", "A100-SXM-80", "Qwen2.5-7B", 1, 10.3, 0.053, 0.032, 3.7e-5, 1_000_000, 32_768,
        _C, "vLLM 0.14", f"{_KERNELS}: error 5.7 %",
    ),
    Preset(
        "a100-llama-2-70b-tp4", "A100-SXM-80", "Llama-2-70B", 4, 43.1, 0.2345, 0.14, 4.6e-4, 480_000, 4_096,
        _M, "vLLM of 2023", "Splitwise: decode error 2.7 %, prefill 14.6 %",
    ),
    Preset(
        "l40s-llama-3.1-8b", "L40S-48", "Llama-3.1-8B", 1, 22.0, 0.0613, 0.041, 1.94e-4, 195_000, 131_072,
        _C, "vLLM 0.24", f"{_KERNELS}: error 5.7 %; attention floored at memory bandwidth",
    ),
    Preset(
        "a10g-llama-3.1-8b", "A10G-24", "Llama-3.1-8B", 1, 30.0, 0.33, 0.05, 2.6e-4, 41_000, 131_072,
        _P, "none", _SCALED,
    ),
    Preset(
        "l4-llama-3.1-8b", "L4-24", "Llama-3.1-8B", 1, 57.0, 0.21, 0.05, 5.1e-4, 41_000, 131_072,
        _P, "none", f"{_SCALED}; KV cache as measured on an RTX 4090",
    ),
    Preset(
        "t4-8b-int4", "T4-16", "7-8B, int4 (AWQ)", 1, 20.0, 0.55, 0.3, 4.8e-4, 60_000, 32_768,
        _P, "none", f"{_SCALED}; fp16 does not fit",
    ),
)  # fmt: skip

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ROWS})
"""Every preset by name."""
