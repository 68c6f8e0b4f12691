"""One replica through time: its next event, its clients that leave, and its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import BY_MEMORY, FAILED, FORMING, GONE, IDLE, KEY, RUNNING, STOPPED, TIMED_OUT
from autoscaler.simulator.kernel.gateway import lose
from autoscaler.simulator.kernel.iteration import complete, form, rest
from autoscaler.simulator.kernel.jumps import shorten
from autoscaler.simulator.kernel.trees import bear, watch, weight

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Fleet, Model, Requests


def catch_up(model: Model, fleet: Fleet, requests: Requests, book: Book, slot: int, at: float) -> None:
    """Bring one replica up to `at`: end and form iterations, and let clients go whose patience ends."""
    if fleet.next_event[slot] > at:
        return
    while fleet.next_event[slot] <= at:
        forming = fleet.phase[slot] == FORMING
        moment = fleet.begin[slot] if forming else fleet.end[slot]
        if fleet.waiting[slot] > 0 and requests.due[fleet.head[slot]] + model.timeout_seconds <= moment:
            abandon(model, fleet, requests, book, slot)
        elif not forming:
            complete(model, fleet, requests, slot)
        elif moment < at:
            form(model, fleet, requests, slot)
        else:
            break
        schedule(model, fleet, requests, slot)
    watch(model, fleet, requests, slot)


def schedule(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """Note when the replica next needs attention."""
    phase = fleet.phase[slot]
    if phase == IDLE:
        fleet.next_event[slot] = math.inf
        return
    at = fleet.begin[slot] if phase == FORMING else fleet.end[slot]
    if fleet.waiting[slot] > 0:
        at = min(at, requests.due[fleet.head[slot]] + model.timeout_seconds)
    fleet.next_event[slot] = at


def abandon(model: Model, fleet: Fleet, requests: Requests, book: Book, slot: int) -> None:
    """Let the queue's head go: its client waited for as long as it would."""
    index = fleet.head[slot]
    at = requests.due[index] + model.timeout_seconds
    fleet.waiting[slot] -= 1
    fleet.head[slot] = requests.following[index]
    fleet.outstanding[slot] -= 1
    bear(fleet, slot, -weight(model, requests, index))
    if fleet.phase[slot] == RUNNING and fleet.hindered[slot] == BY_MEMORY:
        fleet.hindered[slot] = STOPPED
        shorten(fleet, slot, at)
    if fleet.outstanding[slot] == 0:
        rest(fleet, slot, at)
    lose(model, requests, book, index, at, TIMED_OUT)


def fail(model: Model, fleet: Fleet, requests: Requests, book: Book, slot: int, at: float) -> None:
    """End a replica that was brought up to `at`, with all that it has."""
    root = slot * model.max_sequences
    for place in range(root, root + fleet.batch[slot]):
        lose(model, requests, book, fleet.heap[place] % KEY, at, FAILED)
    for place in range(root, root + fleet.fresh_count[slot]):
        lose(model, requests, book, fleet.fresh[place], at, FAILED)
    for place in range(root, root + fleet.preempted[slot]):
        lose(model, requests, book, fleet.stack[place], at, FAILED)
    if fleet.partial[slot] >= 0:
        lose(model, requests, book, fleet.partial[slot], at, FAILED)
    index = fleet.head[slot]
    for _ in range(fleet.waiting[slot]):
        following = requests.following[index]
        lose(model, requests, book, index, at, FAILED)
        index = following
    if fleet.phase[slot] == RUNNING:
        fleet.busy_seconds[slot] += at - fleet.begin[slot]
    for counts in (fleet.batch, fleet.fresh_count, fleet.preempted, fleet.waiting, fleet.outstanding, fleet.load):
        counts[slot] = 0
    for tokens in (fleet.context, fleet.held, fleet.prefill, fleet.reused):
        tokens[slot] = 0
    fleet.partial[slot] = -1
    fleet.phase[slot] = IDLE
    fleet.next_event[slot] = math.inf
    fleet.state[slot] = GONE
    fleet.gone_at[slot] = at
