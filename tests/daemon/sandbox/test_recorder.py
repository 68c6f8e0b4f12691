"""What a tick leaves on the screen."""

from __future__ import annotations

from autoscaler.cluster.facts import TargetRef
from autoscaler.daemon.report import Action, TargetReport, TickReport
from autoscaler.daemon.sandbox.numbers import FleetNumbers, Life
from autoscaler.daemon.sandbox.recorder import Record, watch
from autoscaler.engine.observation import Observation, Quality, Signal

from . import scenes

START = 1000.0
REF = TargetRef("inference", "llama-8b")


def tick(record, elapsed, signals=(), arrived=0, decision=None, action=Action.NONE, replicas=()):
    """Return the record after a tick that measured these signals, as (key, value, quality)."""
    known = {key: Signal(key, value, "", START, quality) for key, value, quality in signals}
    observation = Observation(REF.key, 1, (), known)
    report = TickReport(
        START + elapsed, 0.0, (TargetReport(REF, observation=observation, decision=decision, action=action),)
    )
    fleet = FleetNumbers(START + elapsed, replicas, 0, arrived)
    return watch(record, report, REF.key, scenes.SETTING.latency, fleet, START)


def test_rate_is_what_arrived_since_the_tick_before():
    """30 requests in 15 s are 2 a second; the first tick has nothing to compare with."""
    first = tick(Record(), 0.2, arrived=1)
    assert first.moments[-1].rate == 0.0
    assert tick(first, 15.2, arrived=31).moments[-1].rate == 2.0


def test_queue_is_the_replicas_and_the_gateways():
    """Both are added; if one is not known the other counts; if neither is, the queue is not known."""
    waiting, held = ("queueDepth", 4.0, Quality.OK), ("gatewayRequests", 2.0, Quality.OK)
    broken = ("queueDepth", None, Quality.ERROR)
    assert tick(Record(), 0.0, [waiting, held]).moments[-1].queue == 6.0
    assert tick(Record(), 0.0, [broken, held]).moments[-1].queue == 2.0
    assert tick(Record(), 0.0, [broken]).moments[-1].queue is None


def test_stale_value_is_not_shown():
    """Only what may be believed is on the screen."""
    stale = ("timeToFirstToken:0.99", 1.0, Quality.STALE)
    assert tick(Record(), 0.0, [stale]).moments[-1].latency_seconds is None


def test_gpu_comes_from_the_signal_or_else_from_the_ready_replicas():
    """The rule's own signal wins; without a rule the GPUs of the ready replicas are looked at."""
    replicas = (scenes.replica("a", Life.READY), scenes.replica("b", Life.STARTING))
    assert tick(Record(), 0.0, replicas=replicas).moments[-1].gpu_percent == 90.0
    measured = ("gpuUtilization", 55.0, Quality.OK)
    assert tick(Record(), 0.0, [measured], replicas=replicas).moments[-1].gpu_percent == 55.0


def test_only_what_was_written_is_a_change():
    """A decision that met a conflict is none; one that was written is."""
    lost = tick(Record(), 15.0, decision=scenes.decision(), action=Action.CONFLICT)
    assert lost.changes == ()
    assert lost.decision is not None
    written = tick(lost, 30.0, decision=scenes.decision(), action=Action.WRITTEN)
    assert [change.at_seconds for change in written.changes] == [30.0]


def test_dry_run_says_the_same_once():
    """A dry run that goes on wanting the same count is one line, not one a tick."""
    record = Record()
    for elapsed, after in ((15.0, 3), (30.0, 3), (45.0, 4)):
        record = tick(record, elapsed, decision=scenes.decision(1, after), action=Action.DRY_RUN)
    assert [(change.at_seconds, change.dry_run) for change in record.changes] == [(15.0, True), (45.0, True)]


def test_another_targets_report_changes_nothing():
    """A tick without this target leaves the record as it was."""
    report = TickReport(START, 0.0, (TargetReport(REF._replace(name="other")),))
    fleet = FleetNumbers(START, (), 0, 5)
    assert watch(Record(), report, REF.key, scenes.SETTING.latency, fleet, START) == Record()
