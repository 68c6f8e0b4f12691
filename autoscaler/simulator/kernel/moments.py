"""The fleet from moment to moment, in the order that the room's first page gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import (
    HELD,
    HELD_HEAD,
    LOADED,
    LOOKS,
    NEXT,
    NEXT_READY,
    NO_TREES,
    NOW,
    READY,
    READY_COUNT,
    RETRYING,
    SLOTS,
    STARTING,
)
from autoscaler.simulator.kernel.gateway import following_request, leave_gateway, received, release_expired
from autoscaler.simulator.kernel.replica import catch_up
from autoscaler.simulator.kernel.routing import dispatch
from autoscaler.simulator.kernel.trees import arrange

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Fleet, Model, Requests


def advance(model: Model, fleet: Fleet, requests: Requests, book: Book, until_seconds: float) -> None:
    """Simulate up to and including `until_seconds`, in place.

    Where an iteration starts exactly then, it is left to be formed: requests that arrive at this very moment may still
    be added.
    """
    at = until_seconds
    while True:
        index = leave_gateway(requests, book) if book.counts[READY_COUNT] > 0 else -1
        if index < 0:
            at = following_moment(requests, book, until_seconds)
            if model.retries > 0:
                known_until = earliest(model, fleet, requests, book) + model.retry_seconds
                if known_until <= at:
                    settle(model, fleet, requests, book, known_until)
                    continue
            if model.stale_seconds > 0.0:
                sample(model, fleet, requests, book, at)
            if book.times[NEXT_READY] <= at:
                make_ready(model, fleet, requests, book, at)
                continue
            index = following_request(requests, book, at)
            if index < 0:
                break
            if not received(model, requests, book, index, at):
                continue
        dispatch(model, fleet, requests, book, index, at)
    settle(model, fleet, requests, book, until_seconds)
    book.times[NOW] = until_seconds


def following_moment(requests: Requests, book: Book, until_seconds: float) -> float:
    """Return when the next request comes or the next replica is ready, or `until_seconds` if that is earlier."""
    at: float = min(until_seconds, book.times[NEXT_READY])
    index = book.counts[NEXT]
    if index < book.counts[LOADED]:
        at = min(at, requests.arrival[index])
    if book.counts[RETRYING] > 0:
        at = min(at, requests.due[requests.again[0]])
    return at


def settle(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> None:
    """Bring the whole fleet, and the gateway, up to `at`."""
    if model.stale_seconds > 0.0:
        sample(model, fleet, requests, book, at)
    for slot in range(book.counts[SLOTS]):
        catch_up(model, fleet, requests, book, slot, at)
    release_expired(model, requests, book, at)


def sample(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> None:
    """Let the router look at the replicas at the last multiple of its period, if it has not yet."""
    period = model.stale_seconds
    looks = int(at / period)
    # The quotient is rounded: settle on the last multiple that is not after `at`.
    if looks * period > at:
        looks -= 1
    elif (looks + 1) * period <= at:
        looks += 1
    if looks <= book.counts[LOOKS]:
        return
    book.counts[LOOKS] = looks
    for slot in range(book.counts[SLOTS]):
        catch_up(model, fleet, requests, book, slot, looks * period)
        fleet.seen[slot] = fleet.load[slot]
    arrange(model, fleet, requests, book)


def earliest(model: Model, fleet: Fleet, requests: Requests, book: Book) -> float:
    """Return a moment before which no client leaves that has not left yet."""
    at = math.inf
    slots = book.counts[SLOTS]
    if slots > 0 and fleet.position[0] != NO_TREES:
        at = fleet.events[1]
    else:
        for slot in range(slots):
            at = min(at, fleet.next_event[slot])
    if book.counts[HELD] > 0:
        at = min(at, requests.due[book.counts[HELD_HEAD]] + model.timeout_seconds)
    return at


def make_ready(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> None:
    """Open the replicas whose start-up ends now; what the gateway holds comes next."""
    release_expired(model, requests, book, at)
    following = math.inf
    for slot in range(book.counts[SLOTS]):
        if fleet.state[slot] == STARTING:
            if fleet.ready_at[slot] <= at:
                fleet.state[slot] = READY
                fleet.seen[slot] = 0
                fleet.routable[book.counts[READY_COUNT]] = slot
                book.counts[READY_COUNT] += 1
            else:
                following = min(following, fleet.ready_at[slot])
    book.times[NEXT_READY] = following
    arrange(model, fleet, requests, book)
