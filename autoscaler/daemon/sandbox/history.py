"""What happened so far, as the screen needs it: a list of moments, and columns of equal time made of them."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_RAMP = "▁▂▃▄▅▆▇█"


class Moment(NamedTuple):
    """What one tick of the daemon measured, and what the fleet was."""

    elapsed_seconds: float
    """Simulated, since the start."""
    rate: float
    """Requests per second that arrived since the moment before."""
    queue: float | None
    """Requests waiting, at the replicas and at the gateway; None where not known."""
    latency_seconds: float | None
    """The quantile that the setting names; None without traffic."""
    gpu_percent: float | None
    ready: int
    starting: int
    wanted: int
    """The Deployment's count."""


def columns(
    moments: Iterable[Moment], value: Callable[[Moment], float | None], span: tuple[float, float], width: int
) -> list[float | None]:
    """Return the highest value in each of `width` equal parts of the `span` (from, to) in seconds, or None.

    A part that is too short to hold a moment shows what the part before it does, up to the last moment.
    """
    start, end = span
    found: dict[int, float | None] = {}
    for moment in moments:
        slot = floor((moment.elapsed_seconds - start) / (end - start) * width)
        known = [reading for reading in (found.get(slot), value(moment)) if reading is not None]
        found[slot] = max(known, default=None)
    line: list[float | None] = []
    for slot in range(width):
        before = line[-1] if line and slot <= max(found, default=-1) else None
        line.append(found.get(slot, before))
    return line


def spark(values: Sequence[float | None], top: float) -> str:
    """Return one character a value, from `▁` at zero to `█` at `top` and above; a space where there is none."""
    return "".join(" " if value is None else _mark(value, top) for value in values)


def _mark(value: float, top: float) -> str:
    if top <= 0 or value <= 0:
        return _RAMP[0]
    return _RAMP[min(len(_RAMP) - 1, int(value / top * len(_RAMP)))]
