"""What the kernel's books must add up to, from its own lists."""

from __future__ import annotations

from autoscaler.simulator import kernel


def audit(fleet):
    """Return what does not add up."""
    arrays, requests, model = fleet._slots.arrays, fleet._requests, fleet.model
    wrong = []
    for slot in range(int(fleet._book.counts[kernel.SLOTS])):
        root = slot * model.max_sequences
        batch, fresh = int(arrays.batch[slot]), int(arrays.fresh_count[slot])
        keys = arrays.heap[root : root + batch].tolist()
        clock = int(arrays.clock[slot])
        context = 0
        held = 0
        for key in keys:
            due, index = divmod(key, 2**32)
            generated = int(requests.output[index]) - (due - clock)
            tokens = int(requests.prompt[index]) + generated - 1
            context += tokens
            held += int(requests.prompt[index] + requests.output[index]) if model.conservative else tokens
        for place in range(root, root + fresh):
            index = int(arrays.fresh[place])
            tokens = int(requests.prompt[index] + arrays.fresh_generated[place])
            context += tokens
            held += tokens + (int(requests.output[index]) if model.conservative else 0)
        partial = int(arrays.partial[slot])
        if partial >= 0:
            context += int(arrays.partial_done[slot])
            tokens = int(arrays.partial_done[slot] + arrays.partial_left[slot])
            held += tokens + (int(requests.output[partial]) if model.conservative else 0)
        if arrays.phase[slot] == kernel.RUNNING:
            context -= int(arrays.prefill[slot] + arrays.reused[slot])
        outstanding = int(arrays.waiting[slot] + arrays.preempted[slot]) + batch + fresh + (partial >= 0)
        for name, found, expected in (
            ("context", int(arrays.context[slot]), context),
            ("held", int(arrays.held[slot]), held),
            ("outstanding", int(arrays.outstanding[slot]), outstanding),
            ("heap", keys == sorted(keys) or all(keys[(i - 1) // 2] <= keys[i] for i in range(1, batch)), True),
            ("cache", int(arrays.held[slot]) <= model.kv_tokens, True),
        ):
            if found != expected:
                wrong.append(f"slot {slot}: {name} is {found}, not {expected}")
    return wrong + _loads(fleet)


def _loads(fleet):
    """Return what is wrong with the loads that the router compares, and with its trees."""
    arrays, requests, model = fleet._slots.arrays, fleet._requests, fleet.model
    size, wrong = len(arrays.state), []
    for slot in range(int(fleet._book.counts[kernel.SLOTS])):
        everyone = list(_everyone(fleet, slot))
        load = len(everyone)
        if model.router == kernel.KV_AWARE:
            load = sum(int(requests.prompt[index]) for index in everyone)
        position = int(arrays.position[slot])
        found = [int(arrays.load[slot]), int(arrays.loads[size + position]) if position >= 0 else load]
        if found != [load, load] or len(set(everyone)) != int(arrays.outstanding[slot]):
            wrong.append(f"slot {slot}: loads are {found}, not {load}")
        if position != kernel.NO_TREES and arrays.events[size + slot] < arrays.next_event[slot]:
            wrong.append(f"slot {slot}: the tree has an event too early")
    if arrays.position[0] != kernel.NO_TREES:
        heaped = (
            tree[place] == min(tree[2 * place], tree[2 * place + 1])
            for tree in (arrays.loads, arrays.events)
            for place in range(1, size)
        )
        wrong += [] if all(heaped) else ["a tree's parent is not the least of its children"]
    return wrong


def _everyone(fleet, slot):
    arrays, root = fleet._slots.arrays, slot * fleet.model.max_sequences
    yield from (int(key) % 2**32 for key in arrays.heap[root : root + int(arrays.batch[slot])])
    yield from arrays.fresh[root : root + int(arrays.fresh_count[slot])].tolist()
    yield from arrays.stack[root : root + int(arrays.preempted[slot])].tolist()
    if arrays.partial[slot] >= 0:
        yield int(arrays.partial[slot])
    index = int(arrays.head[slot])
    for _ in range(int(arrays.waiting[slot])):
        yield index
        index = int(fleet._requests.following[index])
