"""Who is in the batch: prompts in chunks, admission from the queue, and preemption where the cache is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.simulator.kernel.codes import BY_MEMORY, BY_SEQUENCES, FREE, KEY, QUEUE_TIME
from autoscaler.simulator.kernel.heaps import heap_remove, sooner
from autoscaler.simulator.kernel.histograms import observe

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Fleet, Model, Requests


def take_chunk(model: Model, fleet: Fleet, slot: int, chunk: int) -> None:
    """Prefill `chunk` tokens of the prompt in progress."""
    fleet.partial_done[slot] += chunk
    fleet.partial_left[slot] -= chunk
    if fleet.partial_left[slot] == 0:
        add_fresh(model, fleet, slot, fleet.partial[slot], fleet.partial_generated[slot])
        fleet.partial[slot] = -1


def add_fresh(model: Model, fleet: Fleet, slot: int, index: int, generated: int) -> None:
    """Note a request whose prompt is complete when this iteration ends."""
    place = slot * model.max_sequences + fleet.fresh_count[slot]
    fleet.fresh[place] = index
    fleet.fresh_generated[place] = generated
    fleet.fresh_count[slot] += 1


def admit(model: Model, fleet: Fleet, requests: Requests, slot: int, room: int, squares: int) -> tuple[int, int, int]:
    """Admit from the queue, the preempted ones first; return the tokens left, the sum of squares and what hindered."""
    held = fleet.held[slot]
    free = model.kv_tokens - held
    if not model.conservative:
        free -= fleet.batch[slot]
    running = fleet.batch[slot] + fleet.fresh_count[slot]
    hindered = FREE
    while room > 0 and fleet.waiting[slot] + fleet.preempted[slot] > 0:
        if running >= model.max_sequences:
            hindered = BY_SEQUENCES
            break
        generated = 0
        index = fleet.head[slot]
        if fleet.preempted[slot] > 0:
            place = slot * model.max_sequences + fleet.preempted[slot] - 1
            index = fleet.stack[place]
            generated = fleet.stack_generated[place]
        tokens = requests.prompt[index] + generated
        need = tokens + requests.output[index] if model.conservative else tokens
        if need > free:
            hindered = BY_MEMORY
            break
        leave_queue(model, fleet, requests, slot, index)
        running += 1
        free -= need
        held += need
        done = 0
        if requests.hits.shape[0] > 0:
            done = requests.hits[index]
        fleet.reused[slot] += done
        chunk = min(tokens - done, room)
        room -= chunk
        squares += chunk * (chunk + 2 * done)
        start_prompt(model, fleet, slot, index, generated, done + chunk, tokens - done - chunk)
    fleet.held[slot] = held
    return room, squares, hindered


def leave_queue(model: Model, fleet: Fleet, requests: Requests, slot: int, index: int) -> None:
    """Take the preempted request to be readmitted first out of its queue, or else the waiting one."""
    if fleet.preempted[slot] > 0:
        fleet.preempted[slot] -= 1
        return
    fleet.head[slot] = requests.following[index]
    fleet.waiting[slot] -= 1
    observe(model, fleet, slot, QUEUE_TIME, fleet.begin[slot] - requests.due[index])


def start_prompt(model: Model, fleet: Fleet, slot: int, index: int, generated: int, done: int, left: int) -> None:
    """Note an admitted request: its prompt is complete after this iteration's part, or in progress."""
    if left == 0:
        add_fresh(model, fleet, slot, index, generated)
        return
    fleet.partial[slot] = index
    fleet.partial_done[slot] = done
    fleet.partial_left[slot] = left
    fleet.partial_generated[slot] = generated


def make_room(model: Model, fleet: Fleet, requests: Requests, slot: int) -> int:
    """Preempt the latest admitted requests until each decoding one can store one token more."""
    hindered = FREE
    while fleet.held[slot] + fleet.batch[slot] > model.kv_tokens:
        hindered = BY_MEMORY
        if fleet.partial[slot] >= 0:
            index = fleet.partial[slot]
            generated = fleet.partial_generated[slot]
            fleet.partial[slot] = -1
            fleet.context[slot] -= fleet.partial_done[slot]
            fleet.held[slot] -= fleet.partial_done[slot] + fleet.partial_left[slot]
        else:
            place = latest(fleet, requests, slot, model.max_sequences)
            index = fleet.heap[place] % KEY
            left = fleet.heap[place] // KEY - fleet.clock[slot]
            generated = requests.output[index] - left
            heap_remove(fleet, slot, place, model.max_sequences)
            tokens = requests.prompt[index] + generated - 1
            fleet.context[slot] -= tokens
            fleet.held[slot] -= tokens
        top = slot * model.max_sequences + fleet.preempted[slot]
        fleet.stack[top] = index
        fleet.stack_generated[top] = generated
        fleet.preempted[slot] += 1
        fleet.preemptions[slot] += 1
    return hindered


def latest(fleet: Fleet, requests: Requests, slot: int, width: int) -> int:
    """Return the heap place of the request admitted last: in first-in-first-out order, the one that came last."""
    place = slot * width
    best = place
    for other in range(place + 1, place + fleet.batch[slot]):
        if sooner(requests, fleet.heap[best] % KEY, fleet.heap[other] % KEY):
            best = other
    return best
