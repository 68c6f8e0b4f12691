"""What a trace is, whatever it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from autoscaler.documents.scenario import TraceTraffic

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int32]]


class Trace(NamedTuple):
    """Requests in order of arrival."""

    name: str
    """The file, or what generated it."""
    arrival_seconds: Floats
    """Since the trace's start, never negative, never falling."""
    prompt_tokens: Integers
    output_tokens: Integers
    """Zero tokens are left as they are; the simulator takes them for one."""
    notes: tuple[str, ...] = ()
    """What was done to the data, for a person."""

    @property
    def duration_seconds(self) -> float:
        """The moment of the last arrival; 0 without any."""
        return float(self.arrival_seconds[-1]) if len(self.arrival_seconds) else 0.0


def cut(trace: Trace, traffic: TraceTraffic) -> Trace:
    """Return the part and the pace of a trace that a scenario asks for; the window's start becomes time 0."""
    arrivals, start = trace.arrival_seconds, 0.0
    kept = slice(None)
    if traffic.window_seconds is not None:
        start, end = traffic.window_seconds
        kept = slice(*np.searchsorted(arrivals, (start, end)).tolist())
    paced = (arrivals[kept] - start) / traffic.rate_scale
    return trace._replace(
        arrival_seconds=paced, prompt_tokens=trace.prompt_tokens[kept], output_tokens=trace.output_tokens[kept]
    )
