"""The peers: each at its defaults, and a grid of settings per family; fixed before any decider was tuned.

A grid has two stages: first the settings below, each family's from the leanest to the richest, then the best of them
once more with floors, minReplicas at a quarter, half and three quarters of the best fixed fleet. Thresholds go up by
less than half at a time and span what is sensible on every replica here: one H100 with an 8B model carries twenty times
as many requests in flight as an L40S that completes code. KEDA's cooldown is not varied: it acts on the way to zero
only, and no scene goes there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.behavior import DEFAULT_DOWN, DEFAULT_UP
from autoscaler.engine.observation import GPU_UTILIZATION, PENDING_REQUESTS, QUEUE_DEPTH
from autoscaler.peers.aibrix import Aibrix
from autoscaler.peers.hand_written import LatencyDoubling, QueueSteps
from autoscaler.peers.hpa import Hpa, HpaMetric, MetricType
from autoscaler.peers.huggingface import HuggingFace
from autoscaler.peers.keda import Keda, Trigger
from autoscaler.peers.knative import Knative
from autoscaler.peers.ray_serve import RayServe
from autoscaler.peers.registry import READY_MADE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.peers.base import PeerModel

FLOOR_SHARES = (0.25, 0.5, 0.75)
"""Of the best fixed fleet: the floors that are tried on a family's best setting."""
DEFAULTS: Mapping[str, PeerModel] = READY_MADE
"""Every ready-made peer as it comes."""
PENDING = (128.0, 112.0, 96.0, 80.0, 64.0, 48.0, 32.0, 24.0, 16.0, 12.0, 8.0, 4.0)
"""Requests waiting or running per replica."""
HELD = {64.0: (60.0, 900.0), 16.0: (900.0,), 4.0: (900.0,)}
"""Windows downwards, in seconds, that are tried besides the usual one."""


class Setting(NamedTuple):
    """A peer with parameters."""

    family: str
    words: str
    """Tells the settings of one family apart."""
    model: PeerModel
    floor: int = 1
    """minReplicas."""

    @property
    def name(self) -> str:
        """What a line of the results calls it."""
        return f"{self.family}@{self.words}" + ("" if self.floor == 1 else f",min={self.floor}")


def setting_of(family: str, words: str) -> Setting:
    """Return the setting that a line of the results names, with its floor.

    Raises:
        KeyError: there is no such setting in the grid.
    """
    words, _, floor = words.partition(",min=")
    known = {(one.family, one.words): one for one in grid()}
    return known[family, words]._replace(floor=int(floor or 1))


def large_grid() -> Iterator[Setting]:
    """Yield what is tried where millions of requests make every run dear: what came near the best elsewhere."""
    near = ("hf-pending", "keda-pending", "hpa-pending")
    knative = ("80,delay=300", "48,delay=300", "48", "16")
    for setting in grid():
        if setting.family in near or (setting.family == "knative" and setting.words in knative):
            yield setting


def grid() -> Iterator[Setting]:
    """Yield every setting of every family's first stage."""
    # those that are known to do well come first, so that what is far dearer need not be pursued
    for target in PENDING:
        yield Setting("hf-pending", f"{target:g}", HuggingFace(metric="pendingRequests", threshold=target))
    yield from _keda()
    yield from _hpa()
    yield from _knative()
    yield from _ray_serve()
    yield from _hand_written()
    for percent in (70.0, 35.0, 20.0, 10.0, 5.0):
        yield Setting("aibrix-kv", f"{percent:g}", Aibrix(target_value=percent))


def _hpa() -> Iterator[Setting]:
    def one(signal: str, target: float, window_seconds: float = 300.0) -> Hpa:
        metric = HpaMetric(type=MetricType.PODS, signals=(signal,), average_value=target)
        return Hpa(metrics=(metric,), downscale_stabilization_seconds=window_seconds)

    for target in PENDING:
        yield Setting("hpa-pending", f"{target:g}", one(PENDING_REQUESTS, target))
        for window in HELD.get(target, ()):
            yield Setting("hpa-pending", f"{target:g},hold={window:g}", one(PENDING_REQUESTS, target, window))
    for target, window in product((8.0, 4.0, 2.0, 1.0, 0.5, 0.25), (300.0, 900.0)):
        yield Setting("hpa-queue", f"{target:g},hold={window:g}", one(QUEUE_DEPTH, target, window))
    for percent in (99.0, 98.0, 96.0, 93.0, 90.0, 85.0, 70.0, 50.0, 30.0):
        yield Setting("hpa-gpu", f"{percent:g}", one(GPU_UTILIZATION, percent))


def _keda() -> Iterator[Setting]:
    def one(target: float, window_seconds: float | None = None) -> Keda:
        trigger = Trigger(signals=(PENDING_REQUESTS,), threshold=target)
        if window_seconds is None:
            return Keda(triggers=(trigger,))
        down = replace(DEFAULT_DOWN, stabilization_window_seconds=window_seconds)
        return Keda(triggers=(trigger,), behavior=(DEFAULT_UP, down))

    for target in PENDING:
        yield Setting("keda-pending", f"{target:g}", one(target))
        for window in HELD.get(target, ()):
            yield Setting("keda-pending", f"{target:g},hold={window:g}", one(target, window))


def _knative() -> Iterator[Setting]:
    """Yield concurrency targets that are meant whole: a target of 64 at 100 %."""

    def one(target: float, window_seconds: float = 60.0, delay_seconds: float = 0.0) -> Knative:
        return Knative(
            target=target,
            target_utilization_percent=100.0,
            stable_window_seconds=window_seconds,
            scale_down_delay_seconds=delay_seconds,
        )

    for target in (112.0, 96.0, 80.0, 64.0, 48.0, 32.0, 16.0, 8.0, 4.0):
        yield Setting("knative", f"{target:g}", one(target))
        yield Setting("knative", f"{target:g},delay=300", one(target, delay_seconds=300.0))
        if target in (80.0, 48.0, 16.0):
            yield Setting("knative", f"{target:g},window=300", one(target, window_seconds=300.0))


def _ray_serve() -> Iterator[Setting]:
    for target in PENDING:
        yield Setting("ray-serve", f"{target:g}", RayServe(target_ongoing_requests=target))
        if target in (80.0, 48.0, 16.0):
            at_once = RayServe(target_ongoing_requests=target, upscale_delay_seconds=0.0)
            yield Setting("ray-serve", f"{target:g},up=0", at_once)


def _hand_written() -> Iterator[Setting]:
    for above, below in ((8.0, 2.0), (4.0, 1.0), (2.0, 0.5), (1.0, 0.25), (0.5, 0.1)):
        for cooldown in (0.0, 60.0):
            script = QueueSteps(above_per_replica=above, below_per_replica=below, cooldown_seconds=cooldown)
            yield Setting("queue-steps", f"{above:g}/{below:g},cooldown={cooldown:g}", script)
    for above, gpu, cooldown in product((1.5, 0.5), (97.0, 90.0, 60.0), (60.0,)):
        doubling = LatencyDoubling(
            above_ratio=above, below_ratio=above / 2, gpu_below_percent=gpu, cooldown_seconds=cooldown
        )
        yield Setting("latency-doubling", f"{above:g},gpu={gpu:g},cooldown={cooldown:g}", doubling)
