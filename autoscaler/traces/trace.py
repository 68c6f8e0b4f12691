"""What a trace is, whatever it came from."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int32]]
Longs = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Trace(NamedTuple):
    """Requests in order of arrival: 16 bytes each, 20 with prefix hits."""

    name: str
    """The file, or what generated it."""
    arrival_seconds: Floats
    """Since the trace's start, never negative, never falling."""
    prompt_tokens: Integers
    output_tokens: Integers
    """Zero tokens are left as they are; the simulator takes them for one."""
    notes: tuple[str, ...] = ()
    """What was done to the data, for a person."""
    prefix_tokens: Integers | None = None
    """How much of each prompt a cache of prefixes holds already; None where nothing is known of it."""
    grid_seconds: float = 0.0
    """Arrivals are recorded in slots of this width, at their beginnings; 0 where stamps are exact."""

    @property
    def duration_seconds(self) -> float:
        """The moment of the last arrival; 0 without any."""
        return float(self.arrival_seconds[-1]) if len(self.arrival_seconds) else 0.0

    def noted(self, *notes: str) -> Self:
        """Return the trace with notes added."""
        return self._replace(notes=(*self.notes, *notes))

    def take(self, chosen: slice | Flags | Longs) -> Self:
        """Return the requests that are chosen: by slice, by flags, or by positions in a new order."""
        return self._replace(
            arrival_seconds=self.arrival_seconds[chosen],
            prompt_tokens=self.prompt_tokens[chosen],
            output_tokens=self.output_tokens[chosen],
            prefix_tokens=None if self.prefix_tokens is None else self.prefix_tokens[chosen],
        )

    def ordered(self, note: str | None = None) -> Self:
        """Return the requests in order of arrival, those of one moment as they stood; `note` is added if any moved."""
        if not (np.diff(self.arrival_seconds) < 0).any():
            return self
        ordered = self.take(np.argsort(self.arrival_seconds, kind="stable"))
        return ordered if note is None else ordered.noted(note)
