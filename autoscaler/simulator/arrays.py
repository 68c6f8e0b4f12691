"""The kernel's arrays as they begin, as they grow, and as plain Python sees them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from autoscaler.simulator import kernel
from autoscaler.simulator.layout import Book, Fleet, Model, Requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.simulator.layout import Floats, ShortIntegers

_FLOATS = frozenset(
    {
        "ready_at", "gone_at", "warm_at", "next_event", "begin", "end", "step", "growth", "busy_seconds",
        "histogram_sums", "events",
    }
)  # fmt: skip
_LISTS = frozenset({"heap", "fresh", "fresh_generated", "stack", "stack_generated"})
_WHOLE = frozenset({"routable", "loads", "events"})
"""Arrays of the whole fleet: what stands at a slot's place in them is not the slot's own."""
Array = TypeVar("Array", bound=np.ndarray[Any, Any])
Arrays = TypeVar("Arrays", Requests, Fleet, Book, Model)


def new_fleet(slots: int, max_sequences: int, bounds: int) -> Fleet:
    """Return a fleet of absent replicas; `slots` is a power of 2, `bounds` the length of `Model.bounds`."""
    widths = dict.fromkeys(_LISTS, max_sequences) | {"histograms": bounds, "histogram_sums": 3, "loads": 2, "events": 2}
    arrays = {
        name: np.zeros(slots * widths.get(name, 1), np.float64 if name in _FLOATS else np.int64)
        for name in Fleet._fields
    }
    arrays["partial"][:] = -1
    arrays["position"][:] = kernel.NO_TREES
    for name in ("next_event", "ready_at", "gone_at"):
        arrays[name][:] = math.inf
    return Fleet._make(arrays[name] for name in Fleet._fields)


def grow_fleet(fleet: Fleet, slots: int) -> Fleet:
    """Return the same fleet with room for `slots` replicas; its trees must be built anew."""
    blank = _alike(fleet, slots)
    for old, new in zip(fleet, blank, strict=True):
        new[: len(old)] = old
    return blank


def blank_slot(fleet: Fleet, slot: int) -> None:
    """Make a slot as it was before any replica had it."""
    slots = len(fleet.state)
    for name, values, fresh in zip(fleet._fields, fleet, _alike(fleet, 1), strict=True):
        if name not in _WHOLE:
            width = len(values) // slots
            values[slot * width : (slot + 1) * width] = fresh


def _alike(fleet: Fleet, slots: int) -> Fleet:
    """Return a fleet of absent replicas that are like those of another one."""
    before = len(fleet.state)
    return new_fleet(slots, len(fleet.heap) // before, len(fleet.histograms) // before)


def new_book(seed: int) -> Book:
    """Return the book of a fleet at time 0; `seed` feeds the router."""
    counts = np.zeros(12, np.int64)
    counts[kernel.LOOKS] = -1
    counts[kernel.SEED] = seed % 4294967295 + 1
    return Book(counts, np.array([0.0, math.inf]))


def new_requests(
    arrival: Floats,
    prompt: ShortIntegers,
    output: ShortIntegers,
    hits: ShortIntegers | None = None,
    *,
    retries: int = 0,
) -> Requests:
    """Return the traffic as the kernel wants it; an empty prompt or output counts as one token.

    At least the last token of a prompt is computed, whatever the hits. Columns that can be used as they are are not
    copied, and never written to.
    """
    count = len(arrival)
    again = count if retries else 0
    arrival = np.require(arrival, np.float64, ("C", "W"))
    prompt, output = _positive(prompt), _positive(output)
    return Requests(
        arrival,
        prompt,
        output,
        np.full(count, math.nan),
        np.full(count, math.nan),
        np.zeros(count, np.int8),
        np.zeros(count, np.int32),
        arrival.copy() if retries else arrival,
        np.empty(0, np.int32) if hits is None else np.clip(hits, 0, prompt - 1).astype(np.int32, copy=False),
        np.zeros(again, np.int8),
        np.zeros(again, np.int32),
    )


def joined(requests: Requests, loaded: int, added: Requests) -> Requests:
    """Return the traffic with more behind its first `loaded` requests; what room it has for them is used."""
    count = len(added.arrival)
    if loaded == 0:
        return added
    if len(added.hits) and not len(requests.hits):
        requests = requests._replace(hits=np.zeros(len(requests.arrival), np.int32))
    elif len(requests.hits) and not len(added.hits):
        added = added._replace(hits=np.zeros(count, np.int32))
    if loaded + count > len(requests.arrival):
        room = max(loaded + count, 2 * loaded)
        requests = Requests._make(grown(old, room if len(old) else 0) for old in requests)
    columns: zip[tuple[Any, Any]] = zip(requests, added, strict=True)
    for old, new in columns:
        if len(old):
            old[loaded : loaded + count] = new
    return requests


def grown(values: Array, length: int) -> Array:
    """Return the same values, and zeros behind them."""
    longer: Any = np.zeros(length, values.dtype)
    longer[: len(values)] = values
    return cast("Array", longer)


def _positive(tokens: ShortIntegers) -> ShortIntegers:
    if (tokens < 1).any():
        tokens = np.maximum(tokens, 1)
    return np.require(tokens, np.int32, ("C", "W"))


def histogram_bounds(queue_time: Sequence[float], first_token: Sequence[float], total: Sequence[float]) -> Floats:
    """Return the bounds of the three histograms as `Model.bounds` wants them; without the infinite one."""
    rows = (queue_time, first_token, total)
    bounds = np.full((3, 1 + max(map(len, rows))), math.inf)
    for row, values in enumerate(rows):
        bounds[row, : len(values)] = values
    return bounds.reshape(-1)


def plain(arrays: Arrays) -> Arrays:
    """Return the same memory as memoryviews, for the kernel in plain Python."""
    make: Any = type(arrays)
    fields: tuple[Any, ...] = arrays
    views: Arrays = make(*(memoryview(field) if hasattr(field, "dtype") else field for field in fields))
    return views
