from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.observation import Quality, SignalRequest
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules.threshold import Threshold
from tests.rules.builders import answer, fleet, signal

RULE = Threshold(signal="kvCacheUtilization", above=80, add=2, below=30, remove=1)


def kv(value, quality=Quality.OK, **more):
    """Return the signal that the rule looks at."""
    return signal("kvCacheUtilization", value, quality, **more)


@pytest.mark.parametrize(
    ("value", "of", "count"),
    [
        (81.0, fleet(4), 6),
        (80.0, fleet(4), 4),
        (30.0, fleet(4), 4),
        (29.9, fleet(4), 3),
        (29.9, fleet(1), 0),
        (81.0, fleet(4, 6, starting=2), 6),
        (81.0, fleet(4, 5, starting=1), 6),
        (81.0, fleet(4, 8, unschedulable=4), 8),
        (81.0, fleet(6, 4, rollout=True), 6),
        (81.0, fleet(0, 1, starting=1), 2),
        (10.0, fleet(4, 6, starting=2), 6),
        (10.0, fleet(4, 6, unschedulable=2), 3),
        (10.0, fleet(0, 3, crashing=3), 3),
    ],
    ids=[
        "above adds", "exactly above stays", "exactly below stays", "below removes", "never below zero",
        "the last step still starts", "only a part of it starts", "stuck ones are not exceeded", "a surge is no base",
        "none ready yet", "nothing is removed while replicas start", "stuck ones go first",
        "nothing is removed without a ready one",
    ],
)  # fmt: skip
def test_steps_are_relative_to_ready_replicas_and_credit_starting_ones(value, of, count):
    """Above 80 add 2, below 30 remove 1, between them the present count."""
    proposal = answer(RULE, kv(value), of=of)
    assert proposal[:2] == (Kind.COUNT, count)
    assert not proposal.blocks_decrease


def test_the_reasons_carry_the_numbers():
    """What was seen, which threshold, and the arithmetic."""
    assert answer(RULE, kv(81.0), of=fleet(4)).reason == "kvCacheUtilization 81 is above 80: 4 ready + 2"
    assert answer(RULE, kv(10.0), of=fleet(4)).reason == "kvCacheUtilization 10 is below 30: 4 ready - 1"
    assert answer(RULE, kv(50.0), of=fleet(4)).reason == "kvCacheUtilization 50 is within its thresholds: 4 stay"


@pytest.mark.parametrize(("total", "count"), [(41.0, 5), (40.0, 4), (8.0, 4), (7.9, 3)])
def test_per_replica_divides_by_the_ready_ones(total, count):
    """41 over 4 ready replicas are 10.25 each."""
    rule = Threshold(signal="queueDepth", above=10, below=2, per_replica=True)
    assert answer(rule, signal("queueDepth", total), of=fleet(4))[:2] == (Kind.COUNT, count)


def test_per_replica_without_a_ready_one_is_not_known():
    """Never a division by nothing; a decrease is blocked."""
    rule = Threshold(signal="queueDepth", above=10, per_replica=True)
    proposal = answer(rule, signal("queueDepth", 50.0), of=fleet(0, 2, starting=2))
    assert proposal == Proposal(
        Kind.ABSTAIN, 0, "queueDepth per replica, and no replica is ready", blocks_decrease=True
    )


@pytest.mark.parametrize("quality", [one for one in Quality if one not in (Quality.OK, Quality.PARTIAL)])
def test_not_known_blocks_a_decrease(quality):
    """It is a sizing rule."""
    assert RULE.role is Role.SIZE
    proposal = answer(RULE, kv(quality), of=fleet(4))
    assert (proposal.kind, proposal.blocks_decrease) == (Kind.ABSTAIN, True)


def test_pods_that_are_not_known_are_no_base_for_a_step():
    """Relative to what nobody has seen, nothing is asked for."""
    proposal = answer(RULE, kv(99.0), of=fleet(4, known=False))
    assert (proposal.kind, proposal.blocks_decrease) == (Kind.ABSTAIN, True)


@pytest.mark.parametrize(("value", "count"), [(99.0, 6), (50.0, 4), (1.0, 4)])
def test_partial_adds_and_never_removes(value, count):
    """What is missing might be what is high."""
    proposal = answer(RULE, kv(value, Quality.PARTIAL, pods=3, missing=1), of=fleet(4))
    assert proposal[:2] == (Kind.COUNT, count)
    assert proposal.blocks_decrease


def test_one_threshold_alone_is_enough():
    """Only above: never removes. Only below: never adds."""
    assert answer(Threshold(signal="x", above=1), signal("x", 0.0), of=fleet(4))[:2] == (Kind.COUNT, 4)
    assert answer(Threshold(signal="x", below=1), signal("x", 9.0), of=fleet(4))[:2] == (Kind.COUNT, 4)
    assert answer(Threshold(signal="x", below=1), signal("x", 0.0), of=fleet(4))[:2] == (Kind.COUNT, 3)


def test_a_latency_is_asked_for_with_its_quantile():
    """The request carries it, and the signal is found under its key."""
    rule = Threshold(signal="queueTime", quantile=0.5, above=1)
    assert rule.needs == (SignalRequest("queueTime", 0.5),)
    assert answer(rule, signal("queueTime:0.5", 2.0), of=fleet(1))[:2] == (Kind.COUNT, 2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "needs `above`, `below` or both"),
        ({"above": 1, "below": 1}, r"`below` \(1\) must be less than `above` \(1\)"),
        ({"above": 1, "below": 2}, r"`below` \(2\) must be less than `above` \(1\)"),
        ({"above": 1, "remove": 1}, "`remove` needs `below`"),
        ({"below": 1, "add": 1}, "`add` needs `above`"),
        ({"above": 1, "quantile": 0.9}, "`quantile` belongs to timeToFirstToken, endToEnd, queueTime"),
        ({"above": 1, "signal": "endToEnd"}, "`quantile` belongs to"),
        ({"above": 1, "add": 0}, "greater than or equal to 1"),
        ({"above": 1, "add": 1.5}, "valid integer"),
        ({"above": 1, "add": "2"}, "valid integer"),
        ({"above": float("nan")}, "finite number"),
        ({"above": 1, "perReplica": "yes"}, "valid boolean"),
        ({"above": 1, "signal": ""}, "at least 1 character"),
        ({"above": 1, "over": 2}, "Extra inputs"),
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(wrong, says):
    """Each with its reason."""
    with pytest.raises(ValidationError, match=says):
        Threshold.model_validate({"type": "threshold", "signal": "kvCacheUtilization", **wrong})
