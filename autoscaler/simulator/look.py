"""A look at the fleet's arrays as they are at one moment, iterations in progress included."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.simulator import kernel
from autoscaler.simulator.views import Histogram, ReplicaState, ReplicaView, Snapshot

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Fleet, Floats, Integers, Model

_STATES = {
    kernel.STARTING: ReplicaState.STARTING,
    kernel.READY: ReplicaState.READY,
    kernel.DRAINING: ReplicaState.DRAINING,
    kernel.GONE: ReplicaState.GONE,
}


def snapshot(model: Model, fleet: Fleet, numbers: Integers, created_at: Floats, now: float) -> Snapshot:
    """Return the live replicas, in the order of creation; `numbers` and `created_at` are by slot."""
    slots = np.flatnonzero((fleet.state != kernel.GONE) & (fleet.state != kernel.ABSENT))
    slots = slots[np.argsort(numbers[slots])]
    done, busy = _progress(fleet, slots, now)
    tokens = done * fleet.batch[slots]
    return Snapshot(
        now,
        numbers[slots],
        fleet.state[slots],
        created_at[slots],
        fleet.ready_at[slots],
        fleet.waiting[slots] + fleet.preempted[slots],
        fleet.batch[slots] + fleet.fresh_count[slots] + (fleet.partial[slots] >= 0),
        fleet.held[slots] + (0 if model.conservative else tokens),
        fleet.busy_seconds[slots] + busy,
        fleet.clock[slots] + done,
        fleet.completed[slots],
        fleet.preemptions[slots],
        fleet.prompt_tokens[slots],
        fleet.output_tokens[slots] + tokens,
        fleet.histograms.reshape(len(fleet.state), 3, -1)[slots],
        fleet.histogram_sums.reshape(len(fleet.state), 3)[slots],
    )


def views(model: Model, rows: Snapshot) -> list[ReplicaView]:
    """Return each replica of a snapshot as its own metrics would show it."""
    return [_view(model, row) for row in zip(*rows[1:], strict=True)]


def _view(model: Model, row: tuple[Any, ...]) -> ReplicaView:
    number, state, created_at, ready_at, waiting, running, held, busy, iterations, completed, preempted = row[:11]
    prompt_tokens, output_tokens, counts, sums = row[11:]
    bounds = model.bounds.reshape(3, -1)
    queue_time, first_token, total = (_histogram(bounds[which], counts[which], sums[which]) for which in range(3))
    return ReplicaView(
        int(number),
        _STATES[int(state)],
        float(created_at),
        float(ready_at),
        int(waiting),
        int(running),
        int(held),
        int(held) / model.kv_tokens,
        float(busy),
        int(iterations),
        int(completed),
        int(preempted),
        int(prompt_tokens),
        int(output_tokens),
        queue_time,
        first_token,
        total,
    )


def _progress(fleet: Fleet, slots: Integers, at: float) -> tuple[Integers, Floats]:
    """Return the iterations ended, and the seconds spent, in jumps that are under way."""
    running = fleet.phase[slots] == kernel.RUNNING
    elapsed = np.where(running, at - fleet.begin[slots], 0.0)
    growth, step = fleet.growth[slots], fleet.step[slots]
    linear = step - growth
    root = (np.sqrt(linear * linear + 4.0 * growth * elapsed) - linear) / np.where(growth > 0, 2.0 * growth, 1.0)
    ended = np.where(growth > 0, root, elapsed / np.where(step > 0, step, 1.0))
    jumping = running & (fleet.prefill[slots] == 0)
    return np.where(jumping, np.minimum(ended.astype(np.int64), fleet.steps[slots]), 0), elapsed


def _histogram(bounds: Floats, counts: Integers, sum_seconds: float) -> Histogram:
    finite = int(np.isfinite(bounds).sum())
    edges = (*bounds[:finite].tolist(), math.inf)
    return Histogram(edges, tuple(np.cumsum(counts[: finite + 1]).tolist()), float(sum_seconds))
