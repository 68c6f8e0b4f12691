"""What one request needs at the least, if it is to meet the objective: replica time, and by when.

Each line is a "no less than" of the kernel's model; `bound` puts them together and carries the argument.

Time. An iteration takes `a + b·P + c·B + d·K + e·S`. With a hinge h, `b·max(0, P + B - h) >= l·b·(P + B - h)` for any
l in [0, 1]; with `l = min(1, a / b·h)` that is a linear form again, its base `a - l·b·h` not negative. A prompt of p
tokens, computed once, adds `b·p + e·p²`; an output token with context x adds `c + d·x`. After a preemption a token may
come out of a recomputation instead, which adds at least `b·x`: so a token is counted with `c' + d'·x`, `d' = min(d, b)`
and `c' = min(c, (b - d')·p)`, which is never more than either, as x >= p. Of h prompt tokens that are in the prefix
cache nothing is computed: `b·(p - h) + e·(p² - h²)` for the prompt, at least `b·(x - h)` for a recomputation, and so
`d' = min(d, b·(p - h) / p)`, `c' = min(c, b·(p - h) - d'·p)`.

Base. An iteration's base `a` is shared out among the requests that meet the objective and are in it, such that no
iteration gives away more than `a`. Three ways to share are lawful, for in any iteration
- at most `max_sequences` requests hold a place, and at most as many as are in the system: each takes `a / places`;
- at most `kv_tokens` tokens of cache are held: each takes `a·held / kv_tokens`;
- at most `budget_tokens` tokens are computed: each takes `a·tokens / budget_tokens`.
A request of n output tokens is in at least n iterations, its prompt's included, with context p, p + 1, ... The way that
gives away most is taken; it is the same for all requests.

Deadlines. The first token is out of the engine `ttft - front` after arrival; the last one within the decode time that
the objective allows, less what the front end takes; both no later than the horizon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.experiments.score import DECODE_FLOOR_SECONDS

if TYPE_CHECKING:
    from autoscaler.experiments.scene import Objective
    from autoscaler.simulator.layout import Floats, Model
    from autoscaler.traces.trace import Trace

Mask = np.ndarray[Any, np.dtype[np.bool_]]

SLACK_SECONDS = 1e-6
"""Added to each deadline, far more than the rounding of the kernel's clock."""
SHARES = 3
"""Places, cache, tokens: the ways to share out an iteration's base."""


class Step(NamedTuple):
    """A linear form that no iteration is faster than; seconds."""

    base: float
    token: float
    """Per prompt token."""
    sequence: float
    """Per decoding request."""
    context: float
    square: float


class Life(NamedTuple):
    """When each request is in the system, if it meets the objective; `possible` is false where it never can."""

    release: Floats
    """Nothing of it is done before."""
    decode_release: Floats
    prefill_deadline: Floats
    decode_deadline: Floats
    service: Floats
    """Seconds from its first chunk to its last token at the least, alone on a replica."""
    possible: Mask


class Work(NamedTuple):
    """Replica-seconds that each request takes at the least, its share of the base included."""

    prefill: Floats
    decode: Floats


def slowest_step(model: Model) -> Step:
    """Return the linear form under the model's iteration time; the model itself where it has no hinge."""
    base, token, sequence = model.base_seconds, model.prefill_seconds, model.sequence_seconds
    if model.hinge_tokens >= 0:
        saved = token * model.hinge_tokens
        share = 1.0 if saved <= base else base / saved
        base, token, sequence = base - share * saved, share * token, sequence + share * token
    return Step(max(0.0, base), token, sequence, model.context_seconds, model.square_seconds)


def lives(trace: Trace, model: Model, objective: Objective, earliest_seconds: float, horizon_seconds: float) -> Life:
    """Return when each request is in the system; no replica is ready before `earliest_seconds`."""
    prompt, output, fresh = _tokens(trace)
    step = slowest_step(model)
    prefill = step.base * np.ceil(fresh / model.budget_tokens) + _prefill(step, prompt, fresh)
    decode = step.base * (output - 1) + _decode(step, prompt, output, fresh)
    limit = np.maximum(DECODE_FLOOR_SECONDS, objective.tpot_seconds * (output - 1))
    allowed = limit - model.back_seconds - model.token_seconds * output + SLACK_SECONDS
    release = np.maximum(trace.arrival_seconds, earliest_seconds)
    first = trace.arrival_seconds + (objective.ttft_seconds - model.front_seconds + SLACK_SECONDS)
    end = np.minimum(first + allowed, horizon_seconds + SLACK_SECONDS)
    first = np.minimum(first, end - decode)
    possible = (decode <= allowed) & (release + prefill <= first) & (prompt + output <= model.longest_tokens)
    return Life(release, release + prefill - SLACK_SECONDS, first, end, prefill + decode, possible)


def work(trace: Trace, model: Model, places: Floats, share: int) -> Work:
    """Return each request's replica-seconds, where at most `places` requests share an iteration with it."""
    prompt, output, fresh = _tokens(trace)
    step = slowest_step(model)
    if share == 0:
        per_place = step.base / np.minimum(places, model.max_sequences)
        bases = per_place * np.ceil(fresh / model.budget_tokens), per_place * (output - 1)
    elif share == 1:
        per_token = step.base / model.kv_tokens
        held = (prompt + output) if model.conservative else prompt
        grown = (output - 1) * held if model.conservative else (output - 1) * (prompt + 0.5 * output)
        bases = per_token * held, per_token * grown
    else:
        per_token = step.base / model.budget_tokens
        bases = per_token * fresh, per_token * (output - 1)
    return Work(_prefill(step, prompt, fresh) + bases[0], _decode(step, prompt, output, fresh) + bases[1])


def _prefill(step: Step, prompt: Floats, fresh: Floats) -> Floats:
    """Return what prompts add to iterations of which so many tokens at the end are computed."""
    return np.asarray(step.token * fresh + step.square * (prompt**2 - (prompt - fresh) ** 2))


def _decode(step: Step, prompt: Floats, output: Floats, fresh: Floats) -> Floats:
    """Return what the output tokens after the first add to iterations: the sum of c' + d'·x, x from prompt on."""
    context = np.minimum(step.context, step.token * fresh / prompt)
    sequence = np.minimum(step.sequence, np.maximum(0.0, step.token * fresh - context * prompt))
    tokens = output - 1
    return np.asarray(tokens * (sequence + context * (prompt + 0.5 * (tokens - 1))))


def _tokens(trace: Trace) -> tuple[Floats, Floats, Floats]:
    """Return prompt, output and computed prompt tokens as the simulator takes them: at least one of each."""
    prompt, output = (np.maximum(tokens, 1).astype(np.float64) for tokens in (trace.prompt_tokens, trace.output_tokens))
    fresh = prompt if trace.prefix_tokens is None else np.clip(prompt - trace.prefix_tokens, 1.0, prompt)
    return prompt, output, fresh
