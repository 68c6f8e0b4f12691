from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules.pending_requests import PendingRequests
from autoscaler.rules.queue_depth import QueueDepth
from autoscaler.rules.request_rate import RequestRate
from autoscaler.rules.token_rate import TokenRate
from tests.rules.builders import answer, ask, fleet, signal

RULES = [
    PendingRequests(target_per_replica=24),
    QueueDepth(target_per_replica=4),
    RequestRate(target_per_replica=2),
    TokenRate(target_per_replica=900),
]


@pytest.mark.parametrize("ready", [0, 1, 40])
def test_demand_is_the_total_over_the_target_however_many_are_ready(ready):
    """Additive demand: 103 / 24 = 4.29 replicas, unrounded, at any number of ready replicas."""
    proposal = answer(PendingRequests(target_per_replica=24), signal("pendingRequests", 103.0), of=fleet(ready))
    assert proposal == Proposal(Kind.DEMAND, 103 / 24, "103 pendingRequests / 24 per replica = 4.29")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_zero_is_a_demand_of_zero(rule):
    """A known zero may lower: it is a demand, not an abstention."""
    assert answer(rule, signal(rule.name, 0.0), of=fleet(3))[:2] == (Kind.DEMAND, 0.0)
    assert not answer(rule, signal(rule.name, 0.0), of=fleet(3)).blocks_decrease


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_reads_its_own_signal(rule):
    """The rule `pendingRequests` does not look at `queueDepth`, nor the other way round."""
    other = "queueDepth" if rule.name == "pendingRequests" else "pendingRequests"
    assert answer(rule, signal(other, 100.0), of=fleet(3)).kind is Kind.ABSTAIN
    assert [request.key for request in rule.needs] == [rule.name]
    assert rule.role is Role.SIZE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("quality", [one for one in Quality if one not in (Quality.OK, Quality.PARTIAL)])
def test_not_known_blocks_a_decrease(rule, quality):
    """Unknown is not zero: no opinion, nothing lowered, and the reason names the quality and the detail."""
    proposal = answer(rule, signal(rule.name, quality, detail="why so"), of=fleet(3))
    assert proposal == Proposal(Kind.ABSTAIN, 0, f"{rule.name} is unknown ({quality}: why so)", blocks_decrease=True)


def test_a_signal_that_nobody_collected_blocks_a_decrease():
    """A missing answer is as unknown as a failed one."""
    proposal = answer(QueueDepth(target_per_replica=4), of=fleet(3))
    assert proposal == Proposal(Kind.ABSTAIN, 0, "queueDepth is unknown: nobody collected it", blocks_decrease=True)


def test_partial_may_raise_and_never_lowers():
    """With a pod missing the demand stands, for it can only be too low, and a decrease is blocked."""
    partial = signal("pendingRequests", 96.0, Quality.PARTIAL, pods=7, missing=1)
    proposal = answer(PendingRequests(target_per_replica=24), partial, of=fleet(8))
    assert proposal[:2] == (Kind.DEMAND, 4.0)
    assert proposal.blocks_decrease
    assert proposal.reason.endswith("= 4, 1 of 8 replicas did not report")


def test_memory_is_handed_back_untouched():
    """Sizing remembers nothing of its own."""
    memory = {"kept": 1}
    assert ask(RULES[0], signal("pendingRequests", 1.0), of=fleet(1), memory=memory)[1] is memory


@pytest.mark.parametrize("target", [0, -1, float("nan"), float("inf"), "24", True, None])
def test_the_target_must_be_a_number_above_zero(target):
    """A text, a truth value or infinity is refused, not converted."""
    with pytest.raises(ValidationError):
        PendingRequests.model_validate({"targetPerReplica": target})


def test_a_target_may_be_a_fraction():
    """Half a request per replica: one request fills two."""
    assert answer(QueueDepth(target_per_replica=0.5), signal("queueDepth", 1.0), of=fleet(1)).replicas == 2.0


def test_a_rule_is_frozen_and_compares_by_value():
    """The same parameters are the same rule, and nobody changes them."""
    rule = PendingRequests(target_per_replica=24)
    assert rule == PendingRequests.model_validate({"type": "pendingRequests", "targetPerReplica": 24})
    with pytest.raises(ValidationError, match="frozen"):
        rule.target_per_replica = 3.0
