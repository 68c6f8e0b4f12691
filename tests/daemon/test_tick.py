"""One tick after the other in a world in memory: what is decided, written, kept and said."""

from __future__ import annotations

from itertools import pairwise

import pytest

from autoscaler.daemon.report import Action, Stage
from autoscaler.daemon.tracked import KEPT_SECONDS
from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import Quality
from autoscaler.engine.spec import Mode
from autoscaler.errors import ClusterError
from tests.daemon.world import write_documents

A, B = "inference/a", "inference/b"


def by_key(report):
    """Return the targets' reports by name."""
    return {target.key: target for target in report.targets}


def test_scales_up_and_down_again(rig):
    """Load adds replicas at once; its end takes them away after the window, and both are told as Events."""
    world = rig("a")
    world.tick(2)
    world.cluster.workloads[A].pending = 45
    assert world.tick().targets[0].action is Action.WRITTEN
    assert world.cluster.workloads[A].replicas == 5
    world.cluster.workloads[A].pending = 0
    world.tick(10)
    assert world.cluster.workloads[A].replicas == 1
    reasons = [reason for _, reason, _ in world.said()]
    assert reasons[0] == "ScaledUp"
    assert "ScaledDown" in reasons


def test_only_confirmed_writes_count(rig):
    """A write that was refused leaves no trace in the rate limits; one that happened does."""
    world = rig("a")
    world.tick()
    world.cluster.workloads[A].pending = 30

    def refuse(*_):
        raise ClusterError("HTTP 500")

    world.cluster.hooks[A] = refuse
    report = world.tick()
    assert report.targets[0].action is Action.UNKNOWN
    assert report.targets[0].failures[0].stage is Stage.ACT
    assert world.daemon.tracked[A].state.scale_ups == ()
    world.cluster.hooks.clear()
    world.tick()
    assert [event.change for event in world.daemon.tracked[A].state.scale_ups] == [2]


def test_a_lost_answer_is_not_taken_for_a_foreign_change(rig):
    """A write that happened although its answer was lost is confirmed by the next look at the target."""
    world = rig("a")
    world.tick()
    world.cluster.workloads[A].pending = 30

    def write_and_lose(_workload, replicas):
        world.cluster.set(A, replicas)
        raise ClusterError("no answer within 4 s")

    world.cluster.hooks[A] = write_and_lose
    assert world.tick().targets[0].action is Action.UNKNOWN
    world.cluster.hooks.clear()
    world.tick()
    assert "ForeignChange" not in [reason for _, reason, _ in world.said()]
    assert [event.change for event in world.daemon.tracked[A].state.scale_ups] == [2]


def test_conflict_is_decided_again_from_what_stands_there_now(rig):
    """After a 409 with another count the target is read once more and decided anew in the same tick."""
    world = rig("a")
    world.tick()
    world.cluster.workloads[A].pending = 50

    def somebody_else_first(*_):
        world.cluster.hooks.clear()
        world.cluster.set(A, 3)

    world.cluster.hooks[A] = somebody_else_first
    report = world.tick()
    assert report.targets[0].decision.current == 3
    assert world.cluster.writes == [(A, 3, 5)]
    assert not report.failed


def test_deciding_again_forgets_the_first_decision(rig):
    """The second decision of a tick starts from the same state as the first: no rule remembers the tick twice."""
    world = rig("a")
    world.tick()
    world.cluster.workloads[A].pending = 50
    decide, given = world.daemon._ticker._decider, []

    class Watched:
        def __init__(self, spec):
            self.inner = decide(spec)

        def decide(self, observation, state, now):
            given.append((observation.spec_replicas, state))
            return self.inner.decide(observation, state, now)

    world.daemon._ticker._decider = Watched
    world.cluster.hooks[A] = lambda *_: (world.cluster.hooks.clear(), world.cluster.set(A, 3))
    world.tick()
    (first, before), (second, again) = given
    assert (first, second) == (1, 3)
    assert before == again


def test_conflict_without_another_count_waits_for_the_next_tick(rig):
    """A 409 for some other field of the object is nobody's decision: the next tick writes."""
    world = rig("a")
    world.tick()
    world.cluster.workloads[A].pending = 50

    def touch(workload, _):
        world.cluster.hooks.clear()
        workload.version += 1

    world.cluster.hooks[A] = touch
    assert world.tick().targets[0].action is Action.CONFLICT
    assert world.cluster.writes == []
    world.tick()
    assert world.cluster.writes == [(A, 1, 5)]


def test_dry_run_differs_in_the_last_call_only(rig):
    """A dry run decides as ever, says what it would do once, and never writes."""
    world = rig("a", dry_run=True)
    world.tick()
    world.cluster.workloads[A].pending = 50
    report = world.tick(3)
    assert report.targets[0].mode is Mode.DRY_RUN
    assert report.targets[0].decision.replicas == 5
    assert report.targets[0].action is Action.DRY_RUN
    assert world.cluster.writes == []
    assert [reason for _, reason, _ in world.said()] == ["WouldScale"]


@pytest.mark.parametrize(
    ("annotations", "mode"),
    [
        ({}, Mode.ACTIVE),
        ({"autoscaler.inference.dev/mode": "Active"}, Mode.ACTIVE),
        ({"autoscaler.inference.dev/mode": "dryrun"}, Mode.DRY_RUN),
        ({"autoscaler.inference.dev/mode": "Paused"}, Mode.PAUSED),
        ({"autoscaler.inference.dev/mode": "Pausd"}, Mode.PAUSED),
        ({"autoscaler.inference.dev/paused": "true"}, Mode.PAUSED),
        ({"autoscaler.inference.dev/paused": "false"}, Mode.ACTIVE),
        ({"autoscaler.inference.dev/paused": "true", "autoscaler.inference.dev/mode": "Active"}, Mode.PAUSED),
    ],
)
def test_annotations_hold_back(rig, annotations, mode):
    """The most conservative of document and annotations wins; one that cannot be read pauses, and says so."""
    world = rig("a")
    world.cluster.workloads[A].annotations = annotations
    world.cluster.workloads[A].pending = 50
    report = world.tick()
    assert report.targets[0].mode is mode
    assert bool(world.cluster.writes) == (mode is Mode.ACTIVE)
    told = [reason for _, reason, _ in world.said()]
    assert ("InvalidAnnotation" in told) == ("Pausd" in annotations.values())


def test_annotations_never_set_loose(rig):
    """An annotation `Active` does not overrule a document that says DryRun."""
    world = rig("a")
    write_documents(world.documents.parent, "a", mode="DryRun")
    world.cluster.workloads[A].annotations = {"autoscaler.inference.dev/mode": "Active"}
    world.cluster.workloads[A].pending = 50
    assert world.tick().targets[0].mode is Mode.DRY_RUN
    assert world.cluster.writes == []


@pytest.mark.parametrize("quality", [quality for quality in Quality if quality not in (Quality.OK, Quality.PARTIAL)])
def test_unknown_never_lowers(rig, quality):
    """However long the signals stay unknown, the count stays."""
    world = rig("a")
    world.cluster.workloads[A].pending = 50
    world.tick(2)
    world.cluster.workloads[A].pending = 0
    world.cluster.workloads[A].quality = quality
    world.tick(20)
    assert world.cluster.workloads[A].replicas == 5


def test_a_missing_target_is_told_and_the_others_go_on(rig):
    """One target that does not exist is an Event and a failure of its own; the other is scaled."""
    world = rig("a", "b")
    world.cluster.gone.add(A)
    world.cluster.workloads[B].pending = 50
    report = by_key(world.tick())
    assert report[A].facts is None
    assert report[A].failures[0].missing
    assert world.cluster.workloads[B].replicas == 5
    assert (A, "TargetMissing", f"Deployment {A} does not exist") in world.said()


def test_a_missing_target_is_looked_for_ever_less_often(rig):
    """The pause between two looks doubles up to five minutes."""
    world = rig("a")
    world.cluster.gone.add(A)
    looks = []
    for _ in range(80):
        world.tick()
        if world.cluster.observed and world.cluster.observed[-1]:
            looks.append(world.clock.time())
            world.cluster.observed.append(())
    pauses = [int(after - before) for before, after in pairwise(looks)]
    assert pauses[:5] == [15, 30, 60, 120, 240]
    assert set(pauses[5:]) == {300}


def test_state_outlives_a_target_by_an_hour(rig):
    """A target that comes back within the hour goes on with its learned state; after it, it begins anew."""
    world = rig("a")
    world.tick(3)
    world.cluster.gone.add(A)
    world.tick(int(KEPT_SECONDS / 15) - 10)
    assert world.daemon.tracked[A].state.last_at is not None
    world.tick(30)
    assert world.daemon.tracked[A].state.last_at is None


@pytest.mark.parametrize("seconds", [7200, 20, -20, -3600])
def test_clock_step_forgets_history(rig, seconds):
    """After the clock was set, nothing is lowered for one whole window, and it is told."""
    world = rig("a")
    world.cluster.workloads[A].pending = 50
    world.tick(2)
    world.cluster.workloads[A].pending = 0
    world.tick(3)
    world.clock.step(seconds)
    report = world.tick()
    assert report.step_seconds == pytest.approx(seconds)
    assert world.cluster.workloads[A].replicas == 5
    world.tick(3)
    assert world.cluster.workloads[A].replicas == 5
    world.tick(3)
    assert world.cluster.workloads[A].replicas == 1
    assert "ClockStep" in [reason for _, reason, _ in world.said()]


def test_clock_set_back_leaves_ages_right(rig):
    """After a step back the daemon's time is ahead of the wall's, and samples are as fresh as before."""
    world = rig("a")
    world.tick(2)
    world.clock.step(-3600)
    world.cluster.workloads[A].pending = 50
    report = world.tick()
    assert report.at == pytest.approx(world.clock.time() + 3600)
    assert report.targets[0].observation.signals["pendingRequests"].taken_at == pytest.approx(report.at)
    assert report.targets[0].observation.replicas[0].created_at == pytest.approx(report.at - 3600)
    assert world.cluster.workloads[A].replicas == 5


def test_a_rule_that_raises_holds_its_own_target_only(rig):
    """An exception out of one target's decision is that target's failure; nothing of it is written."""
    world = rig("a", "b")
    decide = world.daemon._ticker._decider

    class Broken:
        def __init__(self, spec):
            self.inner = decide(spec)

        def decide(self, observation, state, now):
            if observation.target == A:
                raise ZeroDivisionError("in a plug-in")
            return self.inner.decide(observation, state, now)

    world.daemon._ticker._decider = Broken
    for workload in world.cluster.workloads.values():
        workload.pending = 50
    report = by_key(world.tick())
    assert report[A].failures[0].stage is Stage.DECIDE
    assert world.cluster.writes == [(B, 1, 5)]
    assert (A, "DecisionFailed", "ZeroDivisionError: in a plug-in") in world.said()


def test_a_source_that_raises_or_forgets_is_an_unknown(rig):
    """A source that breaks its promise makes every signal unknown: targets hold, with the reason."""
    world = rig("a")
    world.cluster.workloads[A].pending = 50
    world.tick(2)

    def collect(*_):
        raise RuntimeError("a bug")

    world.source.collect = collect
    report = world.tick(10)
    assert world.cluster.workloads[A].replicas == 5
    assert report.targets[0].decision.reason is not Reason.DEMAND
    assert "RuntimeError: a bug" in report.targets[0].failures[0].message
    world.source.collect = lambda *_: {}
    assert world.tick().targets[0].observation.signals["pendingRequests"].quality is Quality.ERROR


def test_the_api_server_down_is_no_decision(rig):
    """While targets cannot be read nothing is decided, and when they can be again, it goes on."""
    world = rig("a", "b")
    world.tick()
    world.cluster.refuse = True
    report = world.tick(5)
    assert [target.decision for target in report.targets] == [None, None]
    assert report.failed
    world.cluster.refuse = False
    world.cluster.workloads[B].pending = 50
    world.tick()
    assert world.cluster.workloads[B].replicas == 5


def test_reload_takes_effect_and_is_told(rig):
    """Documents that changed are in use at the next tick: bounds at once."""
    world = rig("a")
    world.cluster.workloads[A].pending = 200
    world.tick(2)
    assert world.cluster.workloads[A].replicas == 10
    write_documents(world.documents.parent, "a", maximum=20)
    world.tick(3)
    assert world.cluster.workloads[A].replicas == 20
    assert "Reloaded" in [reason for _, reason, _ in world.said()]


def test_bad_reload_keeps_the_last_good_documents(rig):
    """Documents that became wrong change nothing, are told once, and a repaired file is taken."""
    world = rig("a")
    world.tick()
    world.documents.write_text("kind: Nonsense")
    world.cluster.workloads[A].pending = 50
    world.tick(3)
    assert world.cluster.workloads[A].replicas == 5
    said = [message for _, reason, message in world.said() if reason == "ReloadFailed"]
    assert len(said) == 1
    assert "documents.yaml" in said[0]
    write_documents(world.documents.parent, "a", maximum=3)
    world.tick(10)
    assert world.cluster.workloads[A].replicas == 3


def test_a_target_out_of_the_documents_is_left_alone(rig):
    """A target that no document names any more is neither read nor written."""
    world = rig("a", "b")
    world.tick()
    write_documents(world.documents.parent, "b")
    world.cluster.workloads[A].pending = 50
    report = world.tick(2)
    assert [target.key for target in report.targets] == [B]
    assert world.cluster.observed[-1] == (B,)


def test_same_words_once_in_ten_minutes(rig):
    """A message that repeats is posted again after ten minutes, not before."""
    world = rig("a", dry_run=True)
    world.cluster.workloads[A].pending = 50
    world.tick(2)
    first = len(world.said())
    world.tick(36)
    assert len(world.said()) == first
    world.tick(6)
    assert len(world.said()) > first


def test_an_observer_that_fails_harms_nobody(rig):
    """Whoever watches may raise: the tick is complete, and the next observer is called."""
    seen = []

    def broken(_report):
        raise RuntimeError("the screen is gone")

    world = rig("a", observers=[broken, seen.append])
    report = world.tick()
    assert seen == [report]


def test_pods_that_cannot_be_listed_are_a_failure_and_lower_nothing(rig):
    """A target whose pods are not known is told, and keeps its count."""
    world = rig("a")
    world.cluster.workloads[A].pending = 50
    world.tick(2)
    facts = world.cluster._facts

    def blind(ref):
        return facts(ref)._replace(replicas=(), replicas_quality=Quality.ERROR, detail="HTTP 500")

    world.cluster._facts = blind
    world.cluster.workloads[A].pending = 0
    report = world.tick(20)
    assert report.targets[0].failures[0].message == "HTTP 500"
    assert world.cluster.workloads[A].replicas == 5


def test_what_else_could_not_be_read_is_said(rig):
    """A list of autoscalers that is forbidden fails no tick, and is an Event."""
    world = rig("a")
    facts = world.cluster._facts
    world.cluster._facts = lambda ref: facts(ref)._replace(detail="autoscalers: HTTP 403")
    assert not world.tick().failed
    assert (A, "NotAllRead", "autoscalers: HTTP 403") in world.said()


def test_stopping_begins_no_write(rig):
    """Asked to stop after deciding and before writing, the daemon writes nothing."""
    world = rig("a")
    world.tick()
    world.cluster.workloads[A].pending = 50
    decide = world.daemon._ticker._decider

    def stop_and_decide(spec):
        world.daemon.stop()
        return decide(spec)

    world.daemon._ticker._decider = stop_and_decide
    report = world.tick()
    assert report.targets[0].action is Action.STOPPED
    assert world.cluster.writes == []


def test_stopping_decides_nothing_more(rig):
    """Asked to stop while signals are collected, the daemon makes no decision from them."""
    world = rig("a")
    world.tick()
    collect = world.source.collect

    def stop_and_collect(*given):
        world.daemon.stop()
        return collect(*given)

    world.source.collect = stop_and_collect
    assert world.tick().targets[0].decision is None
