"""What the kernel's books must add up to, from its own lists."""

from __future__ import annotations

from autoscaler.simulator import kernel


def audit(fleet):
    """Return what does not add up."""
    arrays, requests, model = fleet._fleet, fleet._requests, fleet.model
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
            context -= int(arrays.prefill[slot])
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
    return wrong
