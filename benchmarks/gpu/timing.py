"""Step times of the engine: prompt chunks, batches and contexts; and a closed loop with continuous batching."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.gpu.llama import Llama

BUCKET_TOKENS = 128
"""Attention reads contexts padded to a multiple of this."""


class Step(NamedTuple):
    """One measured engine step."""

    prefill_tokens: int
    batch: int
    context_tokens: int
    """Summed over the batch, as attention read it."""
    seconds: float


class Loop(NamedTuple):
    """One measured closed loop."""

    concurrency: int
    prompt_tokens: int
    output_tokens: int
    tpot_seconds: float
    ttft_seconds: float
    output_tokens_per_second: float


def timed(call: Callable[[], object], repeats: int, device: str) -> float:
    """Return the median seconds of a call, after two that warm up; the device is waited for each time."""
    seconds = []
    for number in range(repeats + 2):
        began = _now(device)
        call()
        if number >= 2:
            seconds.append(_now(device) - began)
    return statistics.median(seconds)


def _now(device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def prefill_steps(model: Llama, chunks: list[int], repeats: int) -> list[Step]:
    """Return the time of one prompt chunk of each length, alone and from an empty cache."""
    steps = []
    for count in chunks:
        tokens = torch.randint(model.shape.vocabulary, (count,), device=model.device)
        seconds = timed(lambda tokens=tokens: model.prefill(0, tokens, 0), repeats, model.device)
        steps.append(Step(count, 0, 0, seconds))
    return steps


def decode_steps(model: Llama, batches: list[int], contexts: list[int], repeats: int) -> list[Step]:
    """Return the time of one decoding step of each batch, every request with the same context."""
    steps = []
    for batch in batches:
        for context in contexts:
            tokens = torch.randint(model.shape.vocabulary, (batch,), device=model.device)
            lengths = torch.full((batch,), context - 1, device=model.device)
            seconds = timed(lambda t=tokens, n=lengths, c=context: model.decode(t, n, c), repeats, model.device)
            steps.append(Step(0, batch, batch * context, seconds))
    return steps


def closed_loop(model: Llama, concurrency: int, prompt: int, output: int, requests: int) -> Loop:
    """Return what `concurrency` clients see that each send the next request when the last one is complete.

    One prompt is prefilled a step, then every request decodes once, as an engine with chunked prefill interleaves
    them. The first `concurrency` requests start together and are left out.
    """
    tokens = torch.zeros(concurrency, dtype=torch.long, device=model.device)
    lengths = torch.zeros(concurrency, dtype=torch.long, device=model.device)
    made = [0] * concurrency
    sent = [_now(model.device)] * concurrency
    first = [0.0] * concurrency
    waiting, started, finished = list(range(concurrency)), 0, []
    counted_from, counted_tokens = 0.0, 0
    while len(finished) < requests + concurrency:
        if waiting:
            slot = waiting.pop(0)
            chunk = torch.randint(model.shape.vocabulary, (prompt,), device=model.device)
            tokens[slot] = model.prefill(slot, chunk, 0)[0]
            lengths[slot], made[slot], started = prompt, 1, started + 1
            first[slot] = _now(model.device)
        decoding = [slot for slot in range(concurrency) if made[slot]]
        longest = -(-(prompt + max(made[slot] for slot in decoding)) // BUCKET_TOKENS) * BUCKET_TOKENS
        tokens = model.decode(tokens, lengths, longest).clone()
        lengths += 1
        now = _now(model.device)
        for slot in decoding:
            made[slot] += 1
            counted_tokens += bool(counted_from)
            if made[slot] >= output:
                finished.append((first[slot] - sent[slot], (now - first[slot]) / (output - 1)))
                made[slot], sent[slot] = 0, now
                lengths[slot] = 0
                waiting.append(slot)
        if not counted_from and len(finished) >= concurrency:
            counted_from = now
    kept = finished[concurrency:]
    return Loop(
        concurrency,
        prompt,
        output,
        statistics.mean(tpot for _, tpot in kept),
        statistics.mean(ttft for ttft, _ in kept),
        counted_tokens / (now - counted_from),
    )
