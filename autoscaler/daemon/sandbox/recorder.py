"""Watches the daemon's ticks and keeps what the screen shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon.report import Action
from autoscaler.daemon.sandbox.history import Moment
from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.daemon.sandbox.scene import Change
from autoscaler.engine.observation import GATEWAY_REQUESTS, GPU_UTILIZATION, QUEUE_DEPTH, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.daemon.report import TargetReport, TickReport
    from autoscaler.daemon.sandbox.numbers import FleetNumbers
    from autoscaler.engine.decision import Decision
    from autoscaler.engine.observation import Signal, SignalRequest

_MOMENTS_KEPT = 4096
_BELIEVED = (Quality.OK, Quality.PARTIAL)
_CHANGED = (Action.WRITTEN, Action.DRY_RUN)


class Record(NamedTuple):
    """What was seen so far; replaced as a whole, so that another thread may read it at any time."""

    moments: tuple[Moment, ...] = ()
    decision: Decision | None = None
    changes: tuple[Change, ...] = ()
    arrived: int = 0
    """Requests up to the last tick."""


def watch(
    record: Record, report: TickReport, target: str, latency: SignalRequest, fleet: FleetNumbers, started_at: float
) -> Record:
    """Return the record with one more tick; `started_at` is UTC epoch seconds."""
    elapsed = report.at - started_at
    found = next((one for one in report.targets if one.key == target), None)
    if found is None:
        return record
    return _with_decision(_with_moment(record, found, latency, fleet, elapsed), found, elapsed)


def _with_moment(
    record: Record, target: TargetReport, latency: SignalRequest, fleet: FleetNumbers, elapsed: float
) -> Record:
    signals: Mapping[str, Signal] = target.observation.signals if target.observation else {}
    since = record.moments[-1].elapsed_seconds if record.moments else elapsed
    waits = [known for key in (QUEUE_DEPTH, GATEWAY_REQUESTS) if (known := _value(signals, key)) is not None]
    moment = Moment(
        elapsed,
        (fleet.arrived - record.arrived) / (elapsed - since) if elapsed > since else 0.0,
        sum(waits) if waits else None,
        _value(signals, latency.key),
        _gpu_percent(signals, fleet),
        fleet.count(Life.READY),
        fleet.count(Life.STARTING),
        target.facts.spec_replicas if target.facts else 0,
    )
    return record._replace(moments=(*record.moments, moment)[-_MOMENTS_KEPT:], arrived=fleet.arrived)


def _with_decision(record: Record, target: TargetReport, elapsed: float) -> Record:
    decision = target.decision
    if decision is None:
        return record
    record = record._replace(decision=decision)
    if decision.replicas == decision.current or target.action not in _CHANGED:
        return record
    dry_run = target.action is Action.DRY_RUN
    if dry_run and record.changes and record.changes[-1].decision.replicas == decision.replicas:
        return record
    return record._replace(changes=(*record.changes, Change(elapsed, decision, dry_run)))


def _gpu_percent(signals: Mapping[str, Signal], fleet: FleetNumbers) -> float | None:
    """Return the signal if a rule asks for it, else what the ready replicas' GPUs would have said."""
    measured = _value(signals, GPU_UTILIZATION)
    shares = [replica.busy_ratio for replica in fleet.replicas if replica.life is Life.READY]
    return 100 * sum(shares) / len(shares) if measured is None and shares else measured


def _value(signals: Mapping[str, Signal], key: str) -> float | None:
    """Return the value of a signal that may be believed."""
    signal = signals.get(key)
    return signal.value if signal is not None and signal.quality in _BELIEVED else None
