"""One iteration, or a jump over many: how it is formed, and what its end brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.admission import admit, make_room, take_chunk
from autoscaler.simulator.kernel.codes import (
    COMPLETED,
    DRAINING,
    FIRST_TOKEN_TIME,
    FORMING,
    FREE,
    GONE,
    IDLE,
    KEY,
    RUNNING,
    TOTAL_TIME,
)
from autoscaler.simulator.kernel.heaps import heap_push, heap_remove
from autoscaler.simulator.kernel.histograms import observe
from autoscaler.simulator.kernel.jumps import shorten, span
from autoscaler.simulator.kernel.trees import bear, weight

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Fleet, Model, Requests


def form(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """Start an iteration, or a jump over many: preempt, go on with the prompt in progress, admit, and time it."""
    hindered = FREE if model.conservative else make_room(model, fleet, requests, slot)
    batch = fleet.batch[slot]
    room = model.budget_tokens - batch
    squares = 0
    fleet.reused[slot] = 0
    if fleet.partial[slot] >= 0:
        done = fleet.partial_done[slot]
        chunk = min(fleet.partial_left[slot], room)
        squares = chunk * (chunk + 2 * done)
        room -= chunk
        take_chunk(model, fleet, slot, chunk)
    if hindered == FREE and room > 0 and fleet.waiting[slot] + fleet.preempted[slot] > 0:
        room, squares, hindered = admit(model, fleet, requests, slot, room, squares)
    prefill = model.budget_tokens - batch - room
    fleet.hindered[slot] = hindered
    fleet.prefill[slot] = prefill
    start(model, fleet, slot, prefill, squares)


def start(model: Model, fleet: Fleet, slot: int, prefill: int, squares: int) -> None:
    """Time the iteration that was formed, or all that follow until something changes."""
    batch = fleet.batch[slot]
    work = prefill
    if model.hinge_tokens >= 0:
        work = max(0, prefill + batch - model.hinge_tokens)
    step = (
        model.base_seconds
        + model.prefill_seconds * work
        + model.sequence_seconds * batch
        + model.context_seconds * fleet.context[slot]
    )
    steps = 1
    growth = 0.0
    if prefill > 0:
        step += model.square_seconds * squares
    else:
        growth = 0.5 * model.context_seconds * batch
        steps = fleet.heap[slot * model.max_sequences] // KEY - fleet.clock[slot]
        if not model.conservative:
            steps = min(steps, (model.kv_tokens - fleet.held[slot]) // batch)
    cold = fleet.begin[slot] < fleet.warm_at[slot]
    if cold:
        step *= model.cold_factor
        growth *= model.cold_factor
    fleet.step[slot] = step
    fleet.growth[slot] = growth
    fleet.steps[slot] = steps
    fleet.end[slot] = fleet.begin[slot] + span(steps, step, growth)
    fleet.phase[slot] = RUNNING
    if cold:
        shorten(fleet, slot, fleet.warm_at[slot])


def complete(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """End the iterations that ran: tokens, first tokens, finished requests."""
    end = fleet.end[slot]
    steps = fleet.steps[slot]
    batch = fleet.batch[slot]
    fresh = fleet.fresh_count[slot]
    clock = fleet.clock[slot] + steps
    fleet.clock[slot] = clock
    fleet.context[slot] += steps * batch + fleet.prefill[slot] + fleet.reused[slot]
    if not model.conservative:
        fleet.held[slot] += steps * batch
    fleet.busy_seconds[slot] += end - fleet.begin[slot]
    fleet.prompt_tokens[slot] += fleet.prefill[slot]
    fleet.output_tokens[slot] += steps * batch + fresh
    for place in range(slot * model.max_sequences, slot * model.max_sequences + fresh):
        index = fleet.fresh[place]
        generated = fleet.fresh_generated[place]
        if generated == 0:
            requests.first[index] = end + model.front_seconds
            observe(model, fleet, slot, FIRST_TOKEN_TIME, requests.first[index] - requests.due[index])
        heap_push(fleet, slot, (clock + requests.output[index] - generated - 1) * KEY + index, model.max_sequences)
    fleet.fresh_count[slot] = 0
    root = slot * model.max_sequences
    while fleet.batch[slot] > 0 and fleet.heap[root] // KEY <= clock:
        index = fleet.heap[root] % KEY
        heap_remove(fleet, slot, root, model.max_sequences)
        finish(model, fleet, requests, slot, index, end)
    fleet.begin[slot] = end
    if fleet.outstanding[slot] > 0:
        fleet.phase[slot] = FORMING
    else:
        rest(fleet, slot, end)


def finish(model: Model, fleet: Fleet, requests: Requests, slot: int, index: int, end: float) -> None:
    """Give back what a finished request held, and write its result."""
    tokens = requests.prompt[index] + requests.output[index]
    fleet.context[slot] -= tokens - 1
    fleet.held[slot] -= tokens if model.conservative else tokens - 1
    fleet.outstanding[slot] -= 1
    bear(fleet, slot, -weight(model, requests, index))
    fleet.completed[slot] += 1
    requests.outcome[index] = COMPLETED
    requests.finish[index] = end + (
        model.front_seconds + model.back_seconds + model.token_seconds * requests.output[index]
    )
    observe(model, fleet, slot, TOTAL_TIME, requests.finish[index] - requests.due[index])


def rest(fleet: Fleet, slot: int, at: float) -> None:
    """Leave the replica without work; a draining one is gone."""
    fleet.phase[slot] = IDLE
    if fleet.state[slot] == DRAINING:
        fleet.state[slot] = GONE
        fleet.gone_at[slot] = at
