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
PENDING, COMPLETED, REJECTED, TIMED_OUT, FAILED = 0, 1, 2, 3, 4
"""`Requests.outcome`."""
ROUND_ROBIN, LEAST_OUTSTANDING, POWER_OF_TWO, KV_AWARE = 0, 1, 2, 3
"""`Model.router`. The last one compares the prompt tokens of all requests that a replica has, waiting or running."""
LOADED, NEXT, HELD, HELD_HEAD, SLOTS, READY_COUNT, TURN, SEED = 0, 1, 2, 3, 4, 5, 6, 7
HELD_TAIL, RETRYING, RETRIED, LOOKS = 8, 9, 10, 11
"""`Book.counts`."""
NO_TREES, NOT_ROUTABLE = -1, -2
"""`Fleet.position`, where it is none: of a small fleet, and of a replica without a place in the tree of loads."""
NOW, NEXT_READY = 0, 1
"""`Book.times`."""
QUEUE_TIME, FIRST_TOKEN_TIME, TOTAL_TIME = 0, 1, 2
"""Which histogram, in `Model.bounds` and `Fleet.histograms`."""

_KEY = 4294967296
"""A heap key is `token clock at the last token · 2³² + request`: ordered by finish, ties by arrival."""
_FAR = 4611686018427387904
"""A load above all others."""


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


def following_request(requests: Requests, book: Book, at: float) -> int:
    """Take the request that comes at `at`, one that comes again before the others; -1 if none does."""
    if book.counts[RETRYING] > 0 and requests.due[requests.again[0]] <= at:
        return retry_pop(requests, book)
    index: int = book.counts[NEXT]
    if index < book.counts[LOADED] and requests.arrival[index] <= at:
        book.counts[NEXT] = index + 1
        return index
    return -1


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


def leave_gateway(requests: Requests, book: Book) -> int:
    """Take the first request from the gateway; -1 if there is none."""
    if book.counts[HELD] == 0:
        return -1
    index: int = book.counts[HELD_HEAD]
    book.counts[HELD_HEAD] = requests.following[index]
    book.counts[HELD] -= 1
    return index


def release_expired(model: Model, requests: Requests, book: Book, at: float) -> None:
    """Drop the requests at the gateway whose client has gone."""
    while book.counts[HELD] > 0:
        leaves_at = requests.due[book.counts[HELD_HEAD]] + model.timeout_seconds
        if leaves_at > at:
            return
        lose(model, requests, book, leave_gateway(requests, book), leaves_at, TIMED_OUT)


def received(model: Model, requests: Requests, book: Book, index: int, at: float) -> bool:
    """Return whether a request goes on to a replica: refuse what cannot fit, hold it while nothing is ready."""
    if requests.prompt[index] + requests.output[index] > model.longest_tokens:
        requests.outcome[index] = REJECTED
        requests.finish[index] = at
        return False
    if book.counts[READY_COUNT] > 0:
        return True
    release_expired(model, requests, book, at)
    if book.counts[HELD] >= model.gateway_limit:
        lose(model, requests, book, index, at, REJECTED)
        return False
    if book.counts[HELD] == 0:
        book.counts[HELD_HEAD] = index
    else:
        requests.following[book.counts[HELD_TAIL]] = index
    book.counts[HELD_TAIL] = index
    book.counts[HELD] += 1
    return False


def lose(model: Model, requests: Requests, book: Book, index: int, at: float, outcome: int) -> None:
    """Let a request go that was refused, left or failed: its client tries again, or it was the last time."""
    if model.retries > 0 and requests.tries[index] < model.retries:
        requests.tries[index] += 1
        requests.first[index] = math.nan
        requests.due[index] = at + model.retry_seconds
        book.counts[RETRIED] += 1
        retry_push(requests, book, index)
        return
    requests.outcome[index] = outcome
    requests.finish[index] = at


def retry_push(requests: Requests, book: Book, index: int) -> None:
    """Put one request into the heap of those that come again, by time, ties by number."""
    place = book.counts[RETRYING]
    book.counts[RETRYING] = place + 1
    while place > 0:
        parent = (place - 1) // 2
        if not sooner(requests, index, requests.again[parent]):
            break
        requests.again[place] = requests.again[parent]
        place = parent
    requests.again[place] = index


def retry_pop(requests: Requests, book: Book) -> int:
    """Take the request that comes again first."""
    first: int = requests.again[0]
    size = book.counts[RETRYING] - 1
    book.counts[RETRYING] = size
    index = requests.again[size]
    hole = 0
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and sooner(requests, requests.again[child + 1], requests.again[child]):
            child += 1
        if not sooner(requests, requests.again[child], index):
            break
        requests.again[hole] = requests.again[child]
        hole = child
    requests.again[hole] = index
    return first


def sooner(requests: Requests, one: int, other: int) -> bool:
    """Return whether the one came, or comes, before the other."""
    first, second = requests.due[one], requests.due[other]
    return bool(first < second or (first == second and one < other))


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


def weight(model: Model, requests: Requests, index: int) -> int:
    """Return what a request adds to the load that the router compares."""
    if model.router == KV_AWARE:
        tokens: int = requests.prompt[index]
        return tokens
    return 1


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
        at = min(at, requests.due[fleet.head[slot]] + model.timeout_seconds)
    fleet.next_event[slot] = at


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


def rest(fleet: Fleet, slot: int, at: float) -> None:
    """Leave the replica without work; a draining one is gone."""
    fleet.phase[slot] = IDLE
    if fleet.state[slot] == DRAINING:
        fleet.state[slot] = GONE
        fleet.gone_at[slot] = at


def fail(model: Model, fleet: Fleet, requests: Requests, book: Book, slot: int, at: float) -> None:
    """End a replica that was brought up to `at`, with all that it has."""
    root = slot * model.max_sequences
    for place in range(root, root + fleet.batch[slot]):
        lose(model, requests, book, fleet.heap[place] % _KEY, at, FAILED)
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


def shorten(fleet: Fleet, slot: int, at: float) -> None:
    """Stop a jump at the first end of an iteration not before `at`."""
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
    cold = fleet.begin[slot] < fleet.warm_at[slot]
    if cold:
        step *= model.cold_factor
        growth *= model.cold_factor
    fleet.hindered[slot] = hindered
    fleet.prefill[slot] = prefill
    fleet.step[slot] = step
    fleet.growth[slot] = growth
    fleet.steps[slot] = steps
    fleet.end[slot] = fleet.begin[slot] + span(steps, step, growth)
    fleet.phase[slot] = RUNNING
    if cold:
        shorten(fleet, slot, fleet.warm_at[slot])


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
            observe(model, fleet, slot, QUEUE_TIME, fleet.begin[slot] - requests.due[index])
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
        done += chunk
        if done == tokens:
            add_fresh(model, fleet, slot, index, generated)
        else:
            fleet.partial[slot] = index
            fleet.partial_done[slot] = done
            fleet.partial_left[slot] = tokens - done
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
            place = latest(fleet, requests, slot, model.max_sequences)
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


def latest(fleet: Fleet, requests: Requests, slot: int, width: int) -> int:
    """Return the heap place of the request admitted last: in first-in-first-out order, the one that came last."""
    place = slot * width
    best = place
    for other in range(place + 1, place + fleet.batch[slot]):
        if sooner(requests, fleet.heap[best] % _KEY, fleet.heap[other] % _KEY):
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
    bear(fleet, slot, -weight(model, requests, index))
    fleet.completed[slot] += 1
    requests.outcome[index] = COMPLETED
    requests.finish[index] = end + (
        model.front_seconds + model.back_seconds + model.token_seconds * requests.output[index]
    )
    observe(model, fleet, slot, TOTAL_TIME, requests.finish[index] - requests.due[index])


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
