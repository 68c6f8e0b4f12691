"""The bounds of the backends' own latency histograms, in seconds, without the infinite one.

Sources: vllm-project/vllm `vllm/v1/metrics/loggers.py`; huggingface/text-generation-inference `router/src/server.rs`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Buckets(NamedTuple):
    """One backend's bounds; empty where it has no such histogram."""

    queue_time: tuple[float, ...]
    first_token: tuple[float, ...]
    total: tuple[float, ...]


_VLLM_REQUEST = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
_VLLM_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip


def _tgi_duration() -> tuple[float, ...]:
    bound, bounds = 0.0001, []
    for _ in range(36):
        bounds.append(bound)
        bound *= 1.5
    return tuple(bounds)


BUCKETS: Mapping[str, Buckets] = MappingProxyType(
    {
        "vllm": Buckets(_VLLM_REQUEST, _VLLM_FIRST_TOKEN, _VLLM_REQUEST),
        "tgi": Buckets(_tgi_duration(), (), _tgi_duration()),
    }
)
"""By backend preset."""
