"""From counters and the queue to what arrived: bins of a quarter of a minute, whatever the tick.

Arrived = started + rise of the queue: backends count requests when they are done or when their first token is out,
and neither sees those that wait. Bins are not shorter with shorter ticks, because noise would pass for bursts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import (
    GENERATED_TOKENS,
    PENDING_REQUESTS,
    PROMPT_TOKENS,
    QUEUE_DEPTH,
    STARTED_REQUESTS,
    Quality,
    SignalRequest,
)
from autoscaler.rules.base import opaque
from autoscaler.rules.work import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.observation import Signal
    from autoscaler.engine.proposal import Memory

NEEDS = tuple(map(SignalRequest, (STARTED_REQUESTS, PROMPT_TOKENS, GENERATED_TOKENS, QUEUE_DEPTH, PENDING_REQUESTS)))
BIN_SECONDS = 15.0
_SHORTEST_SECONDS = 12.0
"""A tick may come a little early."""


class Reading(NamedTuple):
    """The counters and gauges of one moment."""

    at: float
    started: float
    prompt_tokens: float
    output_tokens: float
    waiting: float
    pending: float
    partial: bool = False
    """Some replicas did not report."""

    @property
    def running(self) -> float:
        """Requests in flight that do not wait."""
        return max(0.0, self.pending - self.waiting)


class Bin(NamedTuple):
    """What came within some seconds."""

    seconds: float
    arrived: float
    started: float
    prompt_tokens: float
    output_tokens: float
    running: float = 0.0
    """Requests in flight on replicas, the mean of both ends."""

    @property
    def rate(self) -> float:
        """Arrivals a second."""
        return self.arrived / self.seconds


def read(signals: Mapping[str, Signal]) -> Reading | str:
    """Return the reading, or why there is none."""
    values = []
    partial = False
    for request in NEEDS:
        signal = signals.get(request.name)
        why = opaque(signal, request.name)
        if why or signal is None or signal.value is None:
            return why
        partial = partial or signal.quality is Quality.PARTIAL
        values.append(signal.value)
    started, prompt_tokens, output_tokens, waiting, pending = values
    at = signals[STARTED_REQUESTS].taken_at
    return Reading(at, started, prompt_tokens, output_tokens, waiting, pending, partial)


def since(memory: Memory, reading: Reading) -> Bin | None:
    """Return what came since the reading in memory; None before the first one, and while the bin is not full."""
    at = number(memory, "seen.at")
    seconds = reading.at - at
    if at == 0.0 or seconds < _SHORTEST_SECONDS:
        return None
    started, prompt_tokens, output_tokens = _increases(memory, reading)
    arrived = max(0.0, started + reading.waiting - number(memory, "seen.waiting"))
    running = (reading.running + number(memory, "seen.running")) / 2.0
    return Bin(seconds, arrived, started, prompt_tokens, output_tokens, running)


def began_anew(memory: Memory, reading: Reading) -> bool:
    """Return whether a counter fell, as after a change of the source: then nobody knows what came in between."""
    return number(memory, "seen.at") > 0.0 and min(_increases(memory, reading)) < 0.0


def _increases(memory: Memory, reading: Reading) -> tuple[float, float, float]:
    return (
        reading.started - number(memory, "seen.started"),
        reading.prompt_tokens - number(memory, "seen.prompt_tokens"),
        reading.output_tokens - number(memory, "seen.output_tokens"),
    )


def store_reading(reading: Reading) -> dict[str, float]:
    """Return the reading as entries of a rule's memory."""
    return {
        "seen.at": reading.at,
        "seen.started": reading.started,
        "seen.prompt_tokens": reading.prompt_tokens,
        "seen.output_tokens": reading.output_tokens,
        "seen.waiting": reading.waiting,
        "seen.running": reading.running,
    }
