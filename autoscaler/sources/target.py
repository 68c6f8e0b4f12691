"""What a source must know of one target to collect its signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.observation import SignalRequest
    from autoscaler.signals.query import SignalQuery


class PodAddress(NamedTuple):
    """One live pod of a target, as its owner references say."""

    name: str
    ip: str
    """Empty until the pod has one."""
    port: int | None
    """Where `/metrics` is served; None for the preset's usual port."""
    ready: bool
    created_at: float
    """UTC epoch seconds."""
    node: str = ""
    """The node's name; empty if unknown. Only the GPU exporter's evidence of idleness needs it."""


class Target(NamedTuple):
    """One thing to scale, and the signals that are wanted of it."""

    name: str
    """`namespace/name`."""
    namespace: str
    backend: str
    """The name of a preset: `vllm`, `tgi`."""
    overrides: Mapping[str, SignalQuery]
    """The document's own `signals`, by a signal's name or by a request's key; these win over the preset."""
    requests: tuple[SignalRequest, ...]
    """What the rules, the idle timer and the wake signal need."""
    pods: tuple[PodAddress, ...]
    """Live pods: neither terminating nor finished."""
