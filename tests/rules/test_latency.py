from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from autoscaler.engine.observation import Quality, SignalRequest
from autoscaler.engine.proposal import Kind, Role
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.latency import Latency
from tests.rules.builders import NOW, answer, ask, fleet, signal

KEY = "timeToFirstToken:0.99"
RULE = Latency(signal="timeToFirstToken", objective_seconds=2.0).bind(PolicyContext(20, 24.0))
QUEUE = signal("queueDepth", 3.0)
NO_QUEUE = signal("queueDepth", 0.0)


def p99(seconds: float | Quality, quality: Quality = Quality.OK, samples: float | None = 100.0):
    """Return the latency signal."""
    return (
        signal(KEY, seconds, quality)
        if isinstance(seconds, Quality)
        else signal(KEY, seconds, quality, samples=samples)
    )


def test_it_needs_the_quantile_and_the_two_signs_of_load():
    """What the sources must collect for it, and its role."""
    assert RULE.needs == (
        SignalRequest("timeToFirstToken", 0.99),
        SignalRequest("queueDepth"),
        SignalRequest("pendingRequests"),
    )
    assert RULE.role is Role.GUARD


@pytest.mark.parametrize(
    ("ready", "count"),
    [(1, 2), (4, 5), (10, 11), (11, 13), (15, 17), (19, 20)],
    ids=str,
)
def test_a_breach_with_a_queue_steps_up_by_a_tenth_and_at_least_one(ready, count):
    """Step = +max(1, 10 % rounded up), and never beyond the maximum of 20."""
    proposal = answer(RULE, p99(2.5), QUEUE, of=fleet(ready))
    assert proposal[:2] == (Kind.COUNT, count)
    assert proposal.reason == f"{KEY} 2.5 s, objective 2 s, 3 waiting: {ready} ready + {count - ready}"
    assert not proposal.blocks_decrease


@pytest.mark.parametrize(
    ("signals", "steps"),
    [
        ((NO_QUEUE,), False),
        ((), False),
        ((signal("queueDepth", Quality.STALE),), False),
        ((signal("queueDepth", 1.0, Quality.PARTIAL),), True),
        ((NO_QUEUE, signal("pendingRequests", 47.0)), False),
        ((NO_QUEUE, signal("pendingRequests", 48.0)), True),
        ((NO_QUEUE, signal("pendingRequests", 48.0, Quality.PARTIAL)), True),
        ((NO_QUEUE, signal("pendingRequests", Quality.ERROR)), False),
    ],
    ids=["no queue", "nothing known", "queue stale", "partial queue", "pending below half", "half", "partial", "error"],
)
def test_a_step_needs_a_second_sign_of_load(signals, steps):
    """One bad pod can break P99 alone: a queue, or pending at half its target (24 x 4 / 2 = 48), must be there too."""
    proposal = answer(RULE, p99(5.0), *signals, of=fleet(4))
    assert proposal.kind is (Kind.COUNT if steps else Kind.VETO)
    if not steps:
        assert proposal.reason == f"{KEY} 5 s, objective 2 s: no other sign of load, more replicas would not help"


def test_without_a_pending_target_only_a_queue_is_a_sign():
    """Half of an unknown target is unknown."""
    rule = Latency(signal="timeToFirstToken", objective_seconds=2.0)
    assert answer(rule, p99(5.0), signal("pendingRequests", 500.0), of=fleet(4)).kind is Kind.VETO
    assert answer(rule, p99(5.0), QUEUE, of=fleet(4))[:2] == (Kind.COUNT, 5)


@pytest.mark.parametrize(
    ("seconds", "kind"),
    [(0.1, Kind.ABSTAIN), (1.599, Kind.ABSTAIN), (1.6, Kind.VETO), (2.0, Kind.VETO), (2.001, Kind.COUNT)],
)
def test_near_the_objective_nothing_is_lowered(seconds, kind):
    """From 80 % of the objective on there is a veto; the objective itself is not yet broken."""
    assert answer(RULE, p99(seconds), QUEUE, of=fleet(4)).kind is kind


@pytest.mark.parametrize(("samples", "kind"), [(19.0, Kind.ABSTAIN), (20.0, Kind.COUNT), (None, Kind.COUNT)])
def test_neither_step_nor_veto_below_the_sample_minimum(samples, kind):
    """Fewer than 20 requests say nothing of a tail; a query that counts none is its author's word."""
    assert answer(RULE, p99(9.0, samples=samples), QUEUE, of=fleet(4)).kind is kind
    veto = answer(RULE, p99(1.9, samples=samples), QUEUE, of=fleet(4)).kind
    assert veto is (Kind.ABSTAIN if kind is Kind.ABSTAIN else Kind.VETO)


@pytest.mark.parametrize("quality", [one for one in Quality if one is not Quality.OK])
def test_a_guard_that_is_not_ok_has_no_opinion_and_blocks_nothing(quality):
    """NaN without traffic, stale, partial, an error: abstain, and let others lower."""
    unknown = p99(9.0, quality) if quality is Quality.PARTIAL else p99(quality)
    proposal = answer(RULE, unknown, QUEUE, of=fleet(4))
    assert proposal.kind is Kind.ABSTAIN
    assert not proposal.blocks_decrease
    assert quality.value in proposal.reason.lower()


@pytest.mark.parametrize("of", [fleet(0, 3, starting=3), fleet(3, known=False)], ids=["none ready", "pods not known"])
def test_without_a_ready_replica_there_is_no_opinion(of):
    """What was measured is not what is there."""
    assert answer(RULE, p99(9.0), QUEUE, of=of).kind is Kind.ABSTAIN


class Story:
    """A guard's life, tick by tick: the memory goes through JSON each time, as a restart would make it."""

    def __init__(self, rule: Latency = RULE) -> None:
        self.rule, self.memory, self.now = rule, {}, NOW

    def tick(self, seconds: float, of, *, latency: float | Quality = 5.0, load=QUEUE, samples: float | None = 100.0):
        """Let time pass and return the proposal."""
        self.now += seconds
        proposal, memory = ask(self.rule, p99(latency, samples=samples), load, of=of, memory=self.memory, now=self.now)
        self.memory = json.loads(json.dumps(dict(memory)))
        return proposal


def test_a_step_waits_for_all_ready_and_one_rate_window():
    """After 4 -> 5: no step while the fifth starts, nor until 120 s after it is Ready; a veto holds meanwhile."""
    story = Story()
    assert story.tick(0, fleet(4))[:2] == (Kind.COUNT, 5)
    waiting = story.tick(15, fleet(4, 5))
    assert waiting.kind is Kind.VETO
    assert "waiting until all 5 replicas are Ready" in waiting.reason
    assert story.tick(60, fleet(4, 5, starting=1)).kind is Kind.VETO
    first_ready = story.tick(15, fleet(5, newest_ready_at=NOW + 88))
    assert first_ready.kind is Kind.VETO
    assert "the last 120 s still show the time before" in first_ready.reason
    assert story.tick(119, fleet(5)).kind is Kind.VETO
    assert story.tick(1, fleet(5))[:2] == (Kind.COUNT, 6)


def test_a_rise_by_others_is_waited_for_too():
    """What the sizing rules added may be enough: no step before it was seen."""
    story = Story()
    assert story.tick(0, fleet(4), latency=1.0).kind is Kind.ABSTAIN
    assert story.tick(15, fleet(4, 8, starting=4)).kind is Kind.VETO
    assert story.tick(80, fleet(8)).kind is Kind.VETO
    assert story.tick(120, fleet(8))[:2] == (Kind.COUNT, 9)


def test_a_replica_that_flaps_later_does_not_stop_the_guard():
    """Overload makes readiness probes fail: once all were Ready, the wait is over."""
    story = Story()
    assert story.tick(0, fleet(4)).kind is Kind.COUNT
    story.tick(15, fleet(5, newest_ready_at=NOW + 15))
    assert story.tick(120, fleet(5, newest_ready_at=NOW + 130))[:2] == (Kind.COUNT, 6)


def test_a_restart_in_the_middle_of_a_start_up_waits():
    """Without memory, replicas that start are waited for, and the newest Ready one's window too."""
    assert answer(RULE, p99(5.0), QUEUE, of=fleet(4, 5, starting=1)).kind is Kind.VETO
    assert answer(RULE, p99(5.0), QUEUE, of=fleet(5, newest_ready_at=NOW - 119)).kind is Kind.VETO
    assert answer(RULE, p99(5.0), QUEUE, of=fleet(5, newest_ready_at=NOW - 120))[:2] == (Kind.COUNT, 6)


def test_stuck_replicas_come_before_more():
    """4 of 6 ready and 2 stuck: 4 + 1 is below the count, so nothing is asked for; the wait is over all the same."""
    held = answer(RULE, p99(5.0), QUEUE, of=fleet(4, 6, unschedulable=2))
    assert held.kind is Kind.VETO
    assert held.reason.endswith("4 of 6 replicas are ready, the others come first")


def test_one_stuck_replica_is_as_much_as_a_step():
    """4 of 5 ready: 4 + 1 is what was asked for already."""
    assert answer(RULE, p99(5.0), QUEUE, of=fleet(4, 5, crashing=1)).kind is Kind.VETO


def test_a_step_is_judged_once():
    """One fruitless step stays one, however long no other sign of load allows the next."""
    story = Story()
    story.tick(0, fleet(4))
    story.tick(15, fleet(5))
    for _ in range(20):
        held = story.tick(120, fleet(5), load=NO_QUEUE)
        assert "no other sign of load" in held.reason
        assert held.notices == ()
    assert story.tick(15, fleet(5))[:2] == (Kind.COUNT, 6)


def test_a_surge_of_a_rolling_update_is_no_capacity():
    """6 ready of a count of 5: the step is from 5."""
    assert answer(RULE, p99(5.0), QUEUE, of=fleet(6, 5, rollout=True))[:2] == (Kind.COUNT, 6)


def test_in_a_dry_run_it_goes_on_asking_and_never_gives_up():
    """A step that nobody took is no step: the same answer for an hour, without a notice."""
    story = Story()
    for _ in range(240):
        proposal = story.tick(15, fleet(4))
        assert proposal[:2] == (Kind.COUNT, 5)
        assert proposal.notices == ()


def test_two_steps_without_gain_and_it_stops_and_says_so_once():
    """5.0 s -> 4.6 s -> 4.6 s is less than 10 % twice: one notice, then vetoes without one."""
    story = Story()
    assert story.tick(0, fleet(4))[:2] == (Kind.COUNT, 5)
    story.tick(15, fleet(5), latency=5.0)
    second = story.tick(120, fleet(5), latency=4.6)
    assert second[:2] == (Kind.COUNT, 6)
    assert second.notices == ()
    story.tick(15, fleet(6), latency=4.6)
    gave_up = story.tick(120, fleet(6), latency=4.6)
    assert gave_up.kind is Kind.VETO
    assert [notice.reason for notice in gave_up.notices] == ["GuardGaveUp"]
    assert "two steps up to 6 replicas gained less than 10 %" in gave_up.notices[0].message
    for _ in range(40):
        after = story.tick(15, fleet(6), latency=4.6)
        assert after.kind is Kind.VETO
        assert after.notices == ()
    assert "no more of them" in after.reason


@pytest.mark.parametrize(("after", "gives_up"), [(4.5, False), (4.51, True)])
def test_a_gain_of_ten_percent_begins_the_count_anew(after, gives_up):
    """5.0 s -> 4.5 s is a gain, 4.51 s is none."""
    story = Story()
    story.tick(0, fleet(4))
    story.tick(15, fleet(5))
    story.tick(120, fleet(5), latency=5.0)
    story.tick(15, fleet(6), latency=after)
    assert (story.tick(120, fleet(6), latency=after).kind is Kind.VETO) is gives_up


def test_after_a_gain_two_more_steps_are_allowed():
    """Fruitless, gained, fruitless is not two in a row; one more is."""
    story = Story()
    counts = []
    for spec, latency in ((4, 5.0), (5, 5.0), (6, 4.0), (7, 4.0), (8, 4.0)):
        story.tick(15, fleet(spec), latency=latency)
        counts.append(story.tick(120, fleet(spec), latency=latency).replicas)
    assert counts == [5, 6, 7, 8, 0]


def test_the_starting_surge_of_a_rolling_update_is_not_waited_for():
    """All 5 that the count asks for are Ready: the sixth replaces one of them."""
    story = Story()
    story.tick(0, fleet(4))
    story.tick(15, fleet(5, 5, starting=1, rollout=True))
    assert story.tick(120, fleet(5, 5, starting=1, rollout=True))[:2] == (Kind.COUNT, 6)


@pytest.mark.parametrize(
    "relief",
    [{"latency": 0.5}, {"latency": Quality.NAN}],
    ids=["well within", "no traffic"],
)
def test_after_relief_a_new_breach_is_judged_afresh(relief):
    """Giving up ends with the breach: recovered, or no traffic at all."""
    story = Story()
    for spec in (4, 5, 6):
        story.tick(15, fleet(spec))
        story.tick(120, fleet(spec))
    assert story.tick(15, fleet(6)).kind is Kind.VETO
    story.tick(15, fleet(6), **relief)
    assert story.tick(15, fleet(6))[:2] == (Kind.COUNT, 7)


@pytest.mark.parametrize(
    "gap",
    [{"latency": Quality.STALE}, {"latency": Quality.ERROR}, {"latency": 5.0, "samples": 3.0}, {"latency": 1.9}],
    ids=["stale", "error", "few samples", "near"],
)
def test_a_gap_in_the_measurement_is_no_relief(gap):
    """What was not seen to be over is not over: it still has given up."""
    story = Story()
    for spec in (4, 5, 6):
        story.tick(15, fleet(spec))
        story.tick(120, fleet(spec))
    story.tick(15, fleet(6), **gap)
    held = story.tick(15, fleet(6))
    assert held.kind is Kind.VETO
    assert held.notices == ()


def test_breach_at_the_maximum_holds_and_says_so_once():
    """At 20 of 20 replicas: a veto, and one notice for the whole breach."""
    story = Story()
    first = story.tick(0, fleet(20))
    assert first.kind is Kind.VETO
    assert [notice.reason for notice in first.notices] == ["GuardBreachAtMax"]
    assert first.notices[0].message == f"{KEY} 5 s, objective 2 s, and 20 replicas are the maximum"
    assert all(story.tick(15, fleet(20)).notices == () for _ in range(20))
    story.tick(15, fleet(20), latency=0.5)
    assert len(story.tick(15, fleet(20)).notices) == 1


def test_a_count_that_others_lowered_cancels_the_step():
    """4 -> 5 asked, then 3: the step never was, and the next rise is not taken for it."""
    story = Story()
    story.tick(0, fleet(4))
    story.tick(15, fleet(3))
    assert story.memory["asked_at"] == 3
    story.tick(15, fleet(4), latency=5.0)
    assert story.memory["fruitless"] == 0


def test_a_step_that_a_rate_limit_cut_short_counts():
    """Asked for 33 from 30, given 31: that was the step."""
    rule = Latency(signal="timeToFirstToken", objective_seconds=2.0).bind(PolicyContext(100, None))
    story = Story(rule)
    assert story.tick(0, fleet(30))[:2] == (Kind.COUNT, 33)
    story.tick(15, fleet(31))
    assert story.tick(120, fleet(31))[:2] == (Kind.COUNT, 35)
    assert story.memory["fruitless"] == 1


def test_a_memory_of_another_rule_is_as_good_as_none():
    """Rules may be renamed: what another one remembered under this name does no harm."""
    proposal, _ = ask(RULE, p99(5.0), QUEUE, of=fleet(4), memory={"somebody": "else"})
    assert proposal[:2] == (Kind.COUNT, 5)


def test_the_memory_is_bounded_and_unchanged_without_news():
    """Six plain values for ever, and the same object while nothing happens."""
    _, memory = ask(RULE, p99(0.1), QUEUE, of=fleet(4))
    assert len(memory) == 6
    assert ask(RULE, p99(0.1), QUEUE, of=fleet(4), memory=memory, now=NOW + 15)[1] is memory


def test_bind_fills_in_what_the_document_left_out_and_no_more():
    """The pending target of the policy, and the lower of the two maxima."""
    own = Latency(signal="endToEnd", objective_seconds=30.0, max_replicas=4, pending_target_per_replica=7.0)
    assert own.bind(PolicyContext(20, 24.0)) == own
    assert own.bind(PolicyContext(3, 24.0)).max_replicas == 3
    bound = Latency(signal="endToEnd", objective_seconds=30.0).bind(PolicyContext(20, None))
    assert (bound.max_replicas, bound.pending_target_per_replica) == (20, None)


def test_an_objective_left_out_is_the_targets():
    """For the time to first token alone; the rule's own wins, and without either there is no opinion."""
    promised = PolicyContext(20, None, ttft_seconds=0.5)
    left_out = Latency(signal="timeToFirstToken")
    assert left_out.bind(promised).objective_seconds == 0.5
    assert RULE.bind(promised).objective_seconds == 2.0
    proposal, memory = ask(left_out.bind(PolicyContext(20, 24.0)), p99(5.0), QUEUE, of=fleet(4))
    assert (proposal.kind, memory) == (Kind.ABSTAIN, {})
    assert "has no objective" in proposal.reason
    with pytest.raises(
        ValidationError, match="needs `objectiveSeconds`: a target's objective says nothing of endToEnd"
    ):
        Latency(signal="endToEnd")


@pytest.mark.parametrize(
    "wrong",
    [
        {"signal": "ttft"},
        {"quantile": 0},
        {"quantile": 1},
        {"quantile": 99},
        {"quantile": "0.9"},
        {"objectiveSeconds": 0},
        {"minSamples": -1},
        {"vetoPercent": 0},
        {"vetoPercent": 101},
        {"stepPercent": 0},
        {"rateWindowSeconds": -1},
        {"minSamples": "20"},
        {"maxReplicas": 0},
        {"pendingTargetPerReplica": 0},
        {"objective": 2},
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(wrong):
    """Each parameter has a range, and there are no others."""
    with pytest.raises(ValidationError):
        Latency.model_validate({"type": "latency", "signal": "endToEnd", "objectiveSeconds": 2, **wrong})
