"""The fleet's clockwork: every engine iteration of every replica, exactly, with closed-form jumps over pure decoding.

One source for two modes: plain Python as it stands here, and compiled by numba (`compiled.py`), bit for bit the same.
So it uses scalars, flat arrays and IEEE operations only: no transcendental function, and a random generator of its
own.

One iteration takes `a + b·P + c·B + d·K + e·S` seconds for `P` prefill tokens, `B` decoding requests and `K` tokens of
their context; `S` sums `end² - start²` over the chunks of prompts, so that a prompt of n tokens costs `e·n²` in all.
With a hinge, `b·max(0, P + B - hinge)` takes the place of `b·P`. At its end the replica's token clock advances by one,
each decoding request has one token more, and each prompt that became complete emits its first token. While nothing is
prefilled, iterations grow longer by `d·B` each, so n of them take `n·step + d·B/2·n·(n - 1)`, and the first boundary
after an arrival is the root of a quadratic.

Order at one moment: replicas become ready, then iterations end, then requests arrive, in the order of their index; an
iteration is formed once all arrivals of its first moment are in. `advance` may stop anywhere: nothing that it keeps
depends on where. Requests wait first in, first out, in linked lists through `Requests.following`.

The scheduler is vLLM V1's: decodes first, then the prompt in progress, then the queue's head while the token budget,
the sequence limit and the KV cache allow; when the cache is full, the latest admitted request is preempted, and later
recomputed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Book, Fleet, Model, Requests

ABSENT, STARTING, READY, DRAINING, GONE = 0, 1, 2, 3, 4
"""`Fleet.state`."""
IDLE, FORMING, RUNNING = 0, 1, 2
"""`Fleet.phase`: no request; an iteration starts at `begin`; iterations run until `end`."""
FREE, BY_SEQUENCES, BY_MEMORY, STOPPED = 0, 1, 2, 3
"""`Fleet.hindered`: why an arrival need not stop the jump: the batch is full, the cache is, or it stops already."""
PENDING, COMPLETED, REJECTED, TIMED_OUT = 0, 1, 2, 3
"""`Requests.outcome`."""
ROUND_ROBIN, LEAST_OUTSTANDING, POWER_OF_TWO = 0, 1, 2
"""`Model.router`."""
LOADED, NEXT, HELD, HELD_HEAD, SLOTS, READY_COUNT, TURN, SEED = 0, 1, 2, 3, 4, 5, 6, 7
"""`Book.counts`."""
NOW, NEXT_READY = 0, 1
"""`Book.times`."""
QUEUE_TIME, FIRST_TOKEN_TIME, TOTAL_TIME = 0, 1, 2
"""Which histogram, in `Model.bounds` and `Fleet.histograms`."""

_KEY = 4294967296
"""A heap key is `token clock at the last token · 2³² + request`: ordered by finish, ties by arrival."""


def advance(model: Model, fleet: Fleet, requests: Requests, book: Book, until_seconds: float) -> None:
    """Simulate up to and including `until_seconds`, in place.

    Where an iteration starts exactly then, it is left to be formed: requests that arrive at this very moment may still
    be added.
    """
    while True:
        at = until_seconds
        index = book.counts[NEXT]
        due = index < book.counts[LOADED] and requests.arrival[index] <= at
        if due:
            at = requests.arrival[index]
        if book.times[NEXT_READY] <= at:
            make_ready(model, fleet, requests, book, book.times[NEXT_READY])
        elif due:
            book.counts[NEXT] = index + 1
            arrive(model, fleet, requests, book, index, at)
        else:
            break
    for slot in range(book.counts[SLOTS]):
        catch_up(model, fleet, requests, slot, until_seconds)
    release_expired(model, requests, book, until_seconds)
    book.times[NOW] = until_seconds


def make_ready(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> None:
    """Open the replicas whose start-up ends now, and let in what the gateway holds."""
    release_expired(model, requests, book, at)
    earliest = math.inf
    for slot in range(book.counts[SLOTS]):
        if fleet.state[slot] == STARTING:
            if fleet.ready_at[slot] <= at:
                fleet.state[slot] = READY
                fleet.routable[book.counts[READY_COUNT]] = slot
                book.counts[READY_COUNT] += 1
            else:
                earliest = min(earliest, fleet.ready_at[slot])
    book.times[NEXT_READY] = earliest
    index = book.counts[HELD_HEAD]
    while book.counts[HELD] > 0:
        if requests.outcome[index] == PENDING:
            book.counts[HELD] -= 1
            dispatch(model, fleet, requests, book, index, at)
        index += 1


def release_expired(model: Model, requests: Requests, book: Book, at: float) -> None:
    """Drop the requests at the gateway whose client has gone."""
    while book.counts[HELD] > 0:
        index = book.counts[HELD_HEAD]
        if requests.outcome[index] == PENDING:
            leaves_at = requests.arrival[index] + model.timeout_seconds
            if leaves_at > at:
                return
            requests.outcome[index] = TIMED_OUT
            requests.finish[index] = leaves_at
            book.counts[HELD] -= 1
        book.counts[HELD_HEAD] = index + 1


def arrive(model: Model, fleet: Fleet, requests: Requests, book: Book, index: int, at: float) -> None:
    """Take in one request: refuse what cannot fit, hold it while nothing is ready, else send it to a replica."""
    if requests.prompt[index] + requests.output[index] > model.longest_tokens:
        reject(requests, index, at)
    elif book.counts[READY_COUNT] > 0:
        dispatch(model, fleet, requests, book, index, at)
    else:
        release_expired(model, requests, book, at)
        if book.counts[HELD] >= model.gateway_limit:
            reject(requests, index, at)
            return
        if book.counts[HELD] == 0:
            book.counts[HELD_HEAD] = index
        book.counts[HELD] += 1


def reject(requests: Requests, index: int, at: float) -> None:
    """Refuse one request for good."""
    requests.outcome[index] = REJECTED
    requests.finish[index] = at


def dispatch(model: Model, fleet: Fleet, requests: Requests, book: Book, index: int, at: float) -> None:
    """Route one request and put it in its replica's queue."""
    slot = route(model, fleet, requests, book, at)
    waiting = fleet.waiting[slot]
    if waiting >= model.queue_limit:
        reject(requests, index, at)
        return
    if waiting == 0:
        fleet.head[slot] = index
    else:
        requests.following[fleet.tail[slot]] = index
    fleet.tail[slot] = index
    fleet.waiting[slot] = waiting + 1
    fleet.outstanding[slot] += 1
    if fleet.phase[slot] == IDLE:
        fleet.phase[slot] = FORMING
        fleet.begin[slot] = at
    elif fleet.phase[slot] == RUNNING and fleet.hindered[slot] == FREE:
        interrupt(fleet, slot, at)
    schedule(model, fleet, requests, slot)


def route(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> int:
    """Return the slot that takes the next request; only the replicas compared are brought up to now."""
    count = book.counts[READY_COUNT]
    if count == 1:
        chosen = 0
        catch_up(model, fleet, requests, fleet.routable[0], at)
    elif model.router == ROUND_ROBIN:
        chosen = book.counts[TURN] % count
        book.counts[TURN] = chosen + 1
        catch_up(model, fleet, requests, fleet.routable[chosen], at)
    elif model.router == POWER_OF_TWO:
        chosen = draw(book, count)
        other = draw(book, count - 1)
        if other >= chosen:
            other += 1
        catch_up(model, fleet, requests, fleet.routable[chosen], at)
        catch_up(model, fleet, requests, fleet.routable[other], at)
        if fleet.outstanding[fleet.routable[other]] < fleet.outstanding[fleet.routable[chosen]]:
            chosen = other
    else:
        chosen = least_outstanding(model, fleet, requests, book, at)
    slot: int = fleet.routable[chosen]
    return slot


def least_outstanding(model: Model, fleet: Fleet, requests: Requests, book: Book, at: float) -> int:
    """Return the position of the replica with the fewest requests; equals take turns, as in nginx's `least_conn`."""
    count = book.counts[READY_COUNT]
    position: int = book.counts[TURN] % count
    chosen = position
    fewest = -1
    for _ in range(count):
        slot = fleet.routable[position]
        if fleet.next_event[slot] <= at:
            catch_up(model, fleet, requests, slot, at)
        outstanding = fleet.outstanding[slot]
        if fewest < 0 or outstanding < fewest:
            fewest = outstanding
            chosen = position
        position += 1
        if position == count:
            position = 0
    book.counts[TURN] = chosen + 1
    return chosen


def draw(book: Book, count: int) -> int:
    """Return a whole number in [0, count): Marsaglia's xorshift, 32 bits of state, exact in signed 64-bit integers."""
    state: int = book.counts[SEED]
    state ^= (state << 13) & 4294967295
    state ^= state >> 17
    state ^= (state << 5) & 4294967295
    book.counts[SEED] = state
    return state % count


def schedule(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """Note when the replica next needs attention."""
    phase = fleet.phase[slot]
    if phase == IDLE:
        fleet.next_event[slot] = math.inf
        return
    at = fleet.begin[slot] if phase == FORMING else fleet.end[slot]
    if fleet.waiting[slot] > 0:
        at = min(at, requests.arrival[fleet.head[slot]] + model.timeout_seconds)
    fleet.next_event[slot] = at


def catch_up(model: Model, fleet: Fleet, requests: Requests, slot: int, at: float) -> None:
    """Bring one replica up to `at`: end and form iterations, and let clients go whose patience ends."""
    while fleet.next_event[slot] <= at:
        forming = fleet.phase[slot] == FORMING
        moment = fleet.begin[slot] if forming else fleet.end[slot]
        if fleet.waiting[slot] > 0 and requests.arrival[fleet.head[slot]] + model.timeout_seconds <= moment:
            abandon(model, fleet, requests, slot)
        elif not forming:
            complete(model, fleet, requests, slot)
        elif moment < at:
            form(model, fleet, requests, slot)
        else:
            return
        schedule(model, fleet, requests, slot)


def abandon(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """Let the queue's head go: its client waited for as long as it would."""
    index = fleet.head[slot]
    at = requests.arrival[index] + model.timeout_seconds
    requests.outcome[index] = TIMED_OUT
    requests.finish[index] = at
    fleet.waiting[slot] -= 1
    fleet.head[slot] = requests.following[index]
    fleet.outstanding[slot] -= 1
    if fleet.phase[slot] == RUNNING and fleet.hindered[slot] == BY_MEMORY:
        interrupt(fleet, slot, at)
    if fleet.outstanding[slot] == 0:
        rest(fleet, slot, at)


def rest(fleet: Fleet, slot: int, at: float) -> None:
    """Leave the replica without work; a draining one is gone."""
    fleet.phase[slot] = IDLE
    if fleet.state[slot] == DRAINING:
        fleet.state[slot] = GONE
        fleet.gone_at[slot] = at


def interrupt(fleet: Fleet, slot: int, at: float) -> None:
    """Stop a jump at the first end of an iteration not before `at`."""
    fleet.hindered[slot] = STOPPED
    steps = fleet.steps[slot]
    if steps == 1:
        return
    begin = fleet.begin[slot]
    step = fleet.step[slot]
    growth = fleet.growth[slot]
    elapsed = at - begin
    if growth > 0.0:
        linear = step - growth
        fewest = math.ceil((math.sqrt(linear * linear + 4.0 * growth * elapsed) - linear) / (2.0 * growth))
    else:
        fewest = math.ceil(elapsed / step)
    fewest = max(1, min(int(fewest), steps))
    # The root is rounded: settle on the exact boundary.
    while fewest > 1 and begin + span(fewest - 1, step, growth) >= at:
        fewest -= 1
    while fewest < steps and begin + span(fewest, step, growth) < at:
        fewest += 1
    if fewest < steps:
        fleet.steps[slot] = fewest
        fleet.end[slot] = begin + span(fewest, step, growth)


def span(steps: int, step: float, growth: float) -> float:
    """Return the seconds that `steps` iterations take, the first `step`, each next one `2·growth` longer."""
    return steps * step + growth * (steps * (steps - 1))


def form(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """Start an iteration, or a jump over many: preempt, go on with the prompt in progress, admit, and time it."""
    hindered = FREE if model.conservative else make_room(model, fleet, requests, slot)
    batch = fleet.batch[slot]
    room = model.budget_tokens - batch
    squares = 0
    if fleet.partial[slot] >= 0:
        done = fleet.partial_done[slot]
        chunk = min(fleet.partial_left[slot], room)
        squares = chunk * (chunk + 2 * done)
        room -= chunk
        take_chunk(model, fleet, slot, chunk)
    if hindered == FREE and room > 0 and fleet.waiting[slot] + fleet.preempted[slot] > 0:
        room, squares, hindered = admit(model, fleet, requests, slot, room, squares)
    prefill = model.budget_tokens - batch - room
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
        steps = fleet.heap[slot * model.max_sequences] // _KEY - fleet.clock[slot]
        if not model.conservative:
            steps = min(steps, (model.kv_tokens - fleet.held[slot]) // batch)
    fleet.hindered[slot] = hindered
    fleet.prefill[slot] = prefill
    fleet.step[slot] = step
    fleet.growth[slot] = growth
    fleet.steps[slot] = steps
    fleet.end[slot] = fleet.begin[slot] + span(steps, step, growth)
    fleet.phase[slot] = RUNNING


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
        again = fleet.preempted[slot] > 0
        if again:
            place = slot * model.max_sequences + fleet.preempted[slot] - 1
            index = fleet.stack[place]
            generated = fleet.stack_generated[place]
        tokens = requests.prompt[index] + generated
        need = tokens + requests.output[index] if model.conservative else tokens
        if need > free:
            hindered = BY_MEMORY
            break
        if again:
            fleet.preempted[slot] -= 1
        else:
            fleet.head[slot] = requests.following[index]
            fleet.waiting[slot] -= 1
            observe(model, fleet, slot, QUEUE_TIME, fleet.begin[slot] - requests.arrival[index])
        running += 1
        free -= need
        held += need
        chunk = min(tokens, room)
        room -= chunk
        squares += chunk * chunk
        if chunk == tokens:
            add_fresh(model, fleet, slot, index, generated)
        else:
            fleet.partial[slot] = index
            fleet.partial_done[slot] = chunk
            fleet.partial_left[slot] = tokens - chunk
            fleet.partial_generated[slot] = generated
    fleet.held[slot] = held
    return room, squares, hindered


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
            place = latest(fleet, slot, model.max_sequences)
            index = fleet.heap[place] % _KEY
            left = fleet.heap[place] // _KEY - fleet.clock[slot]
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


def latest(fleet: Fleet, slot: int, width: int) -> int:
    """Return the heap place of the request admitted last: in first-in-first-out order, the highest index."""
    place = slot * width
    best = place
    for other in range(place + 1, place + fleet.batch[slot]):
        if fleet.heap[other] % _KEY > fleet.heap[best] % _KEY:
            best = other
    return best


def complete(model: Model, fleet: Fleet, requests: Requests, slot: int) -> None:
    """End the iterations that ran: tokens, first tokens, finished requests."""
    end = fleet.end[slot]
    steps = fleet.steps[slot]
    batch = fleet.batch[slot]
    fresh = fleet.fresh_count[slot]
    clock = fleet.clock[slot] + steps
    fleet.clock[slot] = clock
    fleet.context[slot] += steps * batch + fleet.prefill[slot]
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
            observe(model, fleet, slot, FIRST_TOKEN_TIME, requests.first[index] - requests.arrival[index])
        heap_push(fleet, slot, (clock + requests.output[index] - generated - 1) * _KEY + index, model.max_sequences)
    fleet.fresh_count[slot] = 0
    root = slot * model.max_sequences
    while fleet.batch[slot] > 0 and fleet.heap[root] // _KEY <= clock:
        index = fleet.heap[root] % _KEY
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
    fleet.completed[slot] += 1
    requests.outcome[index] = COMPLETED
    requests.finish[index] = end + (
        model.front_seconds + model.back_seconds + model.token_seconds * requests.output[index]
    )
    observe(model, fleet, slot, TOTAL_TIME, requests.finish[index] - requests.arrival[index])


def observe(model: Model, fleet: Fleet, slot: int, which: int, seconds: float) -> None:
    """Count one duration in a histogram; the last bucket is the unbounded one."""
    width = model.bounds.shape[0] // 3
    low = which * width
    high = low + width - 1
    while low < high:
        middle = (low + high) // 2
        if seconds <= model.bounds[middle]:
            high = middle
        else:
            low = middle + 1
    fleet.histograms[slot * 3 * width + low] += 1
    fleet.histogram_sums[slot * 3 + which] += seconds


def heap_push(fleet: Fleet, slot: int, key: int, width: int) -> None:
    """Put one key into the replica's heap of last tokens."""
    base = slot * width
    place = fleet.batch[slot]
    fleet.batch[slot] = place + 1
    while place > 0:
        parent = (place - 1) // 2
        if fleet.heap[base + parent] <= key:
            break
        fleet.heap[base + place] = fleet.heap[base + parent]
        place = parent
    fleet.heap[base + place] = key


def heap_remove(fleet: Fleet, slot: int, place: int, width: int) -> None:
    """Take the key at `place` (an absolute place in `Fleet.heap`) out of the replica's heap."""
    base = slot * width
    size = fleet.batch[slot] - 1
    fleet.batch[slot] = size
    hole = place - base
    key = fleet.heap[base + size]
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and fleet.heap[base + child + 1] < fleet.heap[base + child]:
            child += 1
        if key <= fleet.heap[base + child]:
            break
        fleet.heap[base + hole] = fleet.heap[base + child]
        hole = child
    while hole > 0 and fleet.heap[base + (hole - 1) // 2] > key:
        fleet.heap[base + hole] = fleet.heap[base + (hole - 1) // 2]
        hole = (hole - 1) // 2
    fleet.heap[base + hole] = key
