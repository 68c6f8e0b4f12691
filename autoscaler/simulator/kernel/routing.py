"""Which replica takes a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import (
    FORMING,
    FREE,
    IDLE,
    NO_TREES,
    POWER_OF_TWO,
    READY_COUNT,
    REJECTED,
    ROUND_ROBIN,
    RUNNING,
    SEED,
    STOPPED,
    TURN,
)
from autoscaler.simulator.kernel.gateway import lose
from autoscaler.simulator.kernel.jumps import shorten
from autoscaler.simulator.kernel.replica import catch_up, schedule
from autoscaler.simulator.kernel.trees import bear, first_event, first_fewest, watch, weight

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Fleet, Model, Requests


def dispatch(model: Model, fleet: Fleet, requests: Requests, book: Book, index: int, at: float) -> None:
    """Route one request and put it in its replica's queue."""
    slot = route(model, fleet, requests, book, at)
    waiting = fleet.waiting[slot]
    if waiting >= model.queue_limit:
        lose(model, requests, book, index, at, REJECTED)
        return
    if waiting == 0:
        fleet.head[slot] = index
    else:
        requests.following[fleet.tail[slot]] = index
    fleet.tail[slot] = index
    fleet.waiting[slot] = waiting + 1
    fleet.outstanding[slot] += 1
    bear(fleet, slot, weight(model, requests, index))
    if fleet.phase[slot] == IDLE:
        fleet.phase[slot] = FORMING
        fleet.begin[slot] = at
    elif fleet.phase[slot] == RUNNING and fleet.hindered[slot] == FREE:
        fleet.hindered[slot] = STOPPED
        shorten(fleet, slot, at)
    schedule(model, fleet, requests, slot)
    watch(model, fleet, requests, slot)


def route(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> int:
    """Return the slot that takes the next request, brought up to now as all are that were compared."""
    count = book.counts[READY_COUNT]
    chosen = 0
    if count > 1:
        if model.router == POWER_OF_TWO:
            chosen = one_of_two(model, fleet, requests, book, at)
        else:
            chosen = book.counts[TURN] % count
            if model.router != ROUND_ROBIN:
                chosen = least(model, fleet, requests, book, chosen, at)
            book.counts[TURN] = chosen + 1
    slot: int = fleet.routable[chosen]
    catch_up(model, fleet, requests, book, slot, at)
    return slot


def one_of_two(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> int:
    """Return the position of the less loaded of two replicas drawn at random."""
    count = book.counts[READY_COUNT]
    chosen = draw(book, count)
    other = draw(book, count - 1)
    if other >= chosen:
        other += 1
    slot, rival = fleet.routable[chosen], fleet.routable[other]
    if model.stale_seconds > 0.0:
        return other if fleet.seen[rival] < fleet.seen[slot] else chosen
    for each in (slot, rival):
        catch_up(model, fleet, requests, book, each, at)
    return other if fleet.load[rival] < fleet.load[slot] else chosen


def least(model: Model, fleet: Fleet, requests: Requests, book: Book, position: int, at: float) -> int:
    """Return the position of the least load, the first one from `position` on: equals take turns, as in nginx."""
    if fleet.position[0] == NO_TREES:
        return scan(model, fleet, requests, book, position, at)
    if model.stale_seconds == 0.0:
        while fleet.events[1] <= at:
            catch_up(model, fleet, requests, book, first_event(fleet), at)
    return first_fewest(fleet, position)


def scan(model: Model, fleet: Fleet, requests: Requests, book: Book, position: int, at: float) -> int:
    """Return what `least` does, by a look at each replica."""
    count = book.counts[READY_COUNT]
    stale = model.stale_seconds > 0.0
    chosen = position
    fewest = -1
    for _ in range(count):
        slot = fleet.routable[position]
        if stale:
            load = fleet.seen[slot]
        else:
            if fleet.next_event[slot] <= at:
                catch_up(model, fleet, requests, book, slot, at)
            load = fleet.load[slot]
        if fewest < 0 or load < fewest:
            fewest = load
            chosen = position
        position += 1
        if position == count:
            position = 0
    return chosen


def draw(book: Book, count: int) -> int:
    """Return a whole number in [0, count): Marsaglia's xorshift, 32 bits of state, exact in signed 64-bit integers."""
    state: int = book.counts[SEED]
    state ^= (state << 13) & 4294967295
    state ^= state >> 17
    state ^= (state << 5) & 4294967295
    book.counts[SEED] = state
    return state % count
