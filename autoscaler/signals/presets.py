"""All presets by name, and which of them measures a signal."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.backends import BACKENDS
from autoscaler.signals.exporters import CADVISOR, DCGM
from autoscaler.signals.preset import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.signals.preset import Formula, Preset

__all__ = ["BACKENDS", "PRESETS", "UNITS", "Resolved", "resolve"]

PRESETS: Mapping[str, Preset] = MappingProxyType({**BACKENDS, DCGM.name: DCGM, CADVISOR.name: CADVISOR})
"""All presets by name."""


class Resolved(NamedTuple):
    """Where a standard signal of a backend is measured."""

    preset: Preset
    formula: Formula


def resolve(backend: str, signal: str) -> Resolved | None:
    """Return how a backend's signal is measured, at the backend itself or at an exporter; None if it is not."""
    for preset in (BACKENDS.get(backend), DCGM, CADVISOR):
        if preset is not None and signal in preset.signals:
            return Resolved(preset, preset.signals[signal])
    return None
