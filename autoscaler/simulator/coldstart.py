"""How long a replica takes from the creation of its pod to Ready: the sum of phases, each lognormal.

Sources of the presets: Tensorfuse's and BentoML's start-up break-downs of vLLM (8B on L40S: 294 s cold, 82 s with all
caches), Run:ai's weight loading benchmark, cluster autoscaler guides for nodes; of an engineering grade, not a law.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.random import Generator


class Phase(NamedTuple):
    """One part of a cold start."""

    name: str
    median_seconds: float
    sigma: float = 0.0
    """Of the logarithm; 0 for always the median."""


class ColdStart(NamedTuple):
    """All phases, one after the other."""

    phases: tuple[Phase, ...]

    @property
    def median_seconds(self) -> float:
        """The sum of the phases' medians."""
        return sum(phase.median_seconds for phase in self.phases)


def lognormal(median_seconds: float, sigma: float) -> ColdStart:
    """Return a cold start that is one phase."""
    return ColdStart((Phase("start", median_seconds, sigma),))


def weights(gigabytes: float, gigabytes_per_second: float, open_seconds: float = 0.0, sigma: float = 0.0) -> Phase:
    """Return the phase in which the weights are loaded: bytes by bandwidth, and what comes before the first byte."""
    return Phase("weights", gigabytes / gigabytes_per_second + open_seconds, sigma)


def draws(cold_start: ColdStart, generator: Generator) -> Iterator[float]:
    """Yield the cold start of one replica after another, in seconds, for ever."""
    medians = np.array([phase.median_seconds for phase in cold_start.phases])
    sigmas = np.array([phase.sigma for phase in cold_start.phases])
    while True:
        yield float((medians * np.exp(sigmas * generator.standard_normal(len(medians)))).sum())


def _preset(sigma: float = 0.2, **medians_seconds: float) -> ColdStart:
    return ColdStart(tuple(Phase(name, median, sigma) for name, median in medians_seconds.items() if median > 0))


COLD_STARTS: Mapping[str, ColdStart] = MappingProxyType(
    {
        "hot-pool": _preset(schedule=2, weights=8, engine=20),
        "warm": _preset(schedule=2, weights=18, engine=60),
        "cold-caches": _preset(schedule=2, weights=94, engine=204),
        "cold-node": _preset(schedule=2, node=110, image=60, weights=61, engine=187),
        "worst": _preset(schedule=2, node=300, image=300, weights=94, engine=204),
    }
)
"""30, 80, 300, 420 and 900 seconds: a pool of loaded pods; a warm node with image and caches; the node alone; no node;
and a node from nothing that pulls a large image from a slow registry."""
