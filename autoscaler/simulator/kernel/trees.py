"""What a router compares, and when replicas must be looked at; in trees of minima where the fleet is large.

The leaf of place p stands at `size + p`, and the parent of n at n / 2; so the root, at 1, is the least of all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import (
    FORMING,
    KV_AWARE,
    LEAST_OUTSTANDING,
    NO_TREES,
    NOT_ROUTABLE,
    READY_COUNT,
    SLOTS,
)

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Fleet, Model, Requests

_FAR = 4611686018427387904
"""A load above all others."""


def arrange(model: Model, fleet: Fleet, requests: Requests, book: Book) -> None:
    """Build the trees of a large fleet anew: of loads by position in `routable`, and of next events by slot."""
    size = fleet.state.shape[0]
    slots = book.counts[SLOTS]
    compares = model.router in (LEAST_OUTSTANDING, KV_AWARE)
    treed = book.counts[READY_COUNT] > model.few_replicas and (compares or model.retries > 0)
    for slot in range(slots):
        fleet.position[slot] = NOT_ROUTABLE if treed else NO_TREES
    if not treed:
        return
    stale = model.stale_seconds > 0.0
    for place in range(size):
        fleet.loads[size + place] = _FAR
        fleet.events[size + place] = event(model, fleet, requests, place) if place < slots else math.inf
    for place in range(book.counts[READY_COUNT]):
        slot = fleet.routable[place]
        if stale:
            fleet.loads[size + place] = fleet.seen[slot]
        else:
            fleet.loads[size + place] = fleet.load[slot]
            fleet.position[slot] = place
    for place in range(size - 1, 0, -1):
        fleet.loads[place] = min(fleet.loads[2 * place], fleet.loads[2 * place + 1])
        fleet.events[place] = min(fleet.events[2 * place], fleet.events[2 * place + 1])


def event(model: Model, fleet: Fleet, requests: Requests, slot: int) -> float:
    """Return when a replica must be looked at: at its next event, but just after it if an iteration starts.

    For that one waits until the arrivals of its moment are in.
    """
    at: float = fleet.next_event[slot]
    if fleet.phase[slot] != FORMING or at < fleet.begin[slot]:
        return at
    if fleet.waiting[slot] > 0 and requests.due[fleet.head[slot]] + model.timeout_seconds <= at:
        return at
    return at + at * 2.220446049250313e-16 + 1e-300


def watch(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """Note a replica's next event in the tree of a large fleet."""
    if fleet.position[slot] == NO_TREES:
        return
    place = fleet.state.shape[0] + slot
    at = event(model, fleet, requests, slot)
    fleet.events[place] = at
    while place > 1:
        at = min(at, fleet.events[place ^ 1])
        place >>= 1
        if fleet.events[place] == at:
            break
        fleet.events[place] = at


def bear(fleet: Fleet, slot: int, load: int) -> None:
    """Add to a replica's load, and note it in the tree of a large fleet."""
    fleet.load[slot] += load
    if fleet.position[slot] < 0:
        return
    place = fleet.state.shape[0] + fleet.position[slot]
    least = fleet.load[slot]
    fleet.loads[place] = least
    while place > 1:
        least = min(least, fleet.loads[place ^ 1])
        place >>= 1
        if fleet.loads[place] == least:
            break
        fleet.loads[place] = least


def weight(model: Model, requests: Requests, index: int) -> int:
    """Return what a request adds to the load that the router compares."""
    if model.router == KV_AWARE:
        tokens: int = requests.prompt[index]
        return tokens
    return 1


def first_event(fleet: Fleet) -> int:
    """Return the slot with the earliest event."""
    size: int = fleet.state.shape[0]
    place = 1
    while place < size:
        place *= 2
        if fleet.events[place + 1] < fleet.events[place]:
            place += 1
    return place - size


def first_fewest(fleet: Fleet, position: int) -> int:
    """Return the first position with the least load, from `position` on and then from the beginning."""
    size: int = fleet.state.shape[0]
    least: int = fleet.loads[1]
    place: int = size + position
    if fleet.loads[place] == least:
        return position
    # up until the least stands to the right of where we came from, or nowhere there
    while place > 1 and (place % 2 == 1 or fleet.loads[place + 1] != least):
        place >>= 1
    if place > 1:
        place += 1
    while place < size:
        place *= 2
        if fleet.loads[place] != least:
            place += 1
    return place - size
