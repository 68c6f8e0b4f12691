from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules.base import PolicyContext
from autoscaler.rules.gpu_utilization import GpuUtilization
from tests.rules.builders import NOW, answer, ask, fleet, signal

GUARD = GpuUtilization(target_percent=80).bind(PolicyContext(10, 24.0))
SIZE = GpuUtilization(target_percent=60, role=Role.SIZE)
QUEUE = signal("queueDepth", 3.0)


def busy(percent, quality=Quality.OK, **more):
    """Return the utilization signal."""
    return signal("gpuUtilization", percent, quality, **more)


def test_it_guards_unless_asked_to_size():
    """The default role is guard; the document's word is `role: size`."""
    assert GUARD.role is Role.GUARD
    assert GpuUtilization.model_validate({"targetPercent": 60, "role": "size"}) == SIZE
    with pytest.raises(ValidationError):
        GpuUtilization.model_validate({"targetPercent": 60, "role": "sizing"})


@pytest.mark.parametrize(
    ("percent", "load", "kind"),
    [
        (93.0, (), Kind.ABSTAIN),
        (93.0, (signal("queueDepth", 0.0), signal("pendingRequests", 6.0)), Kind.ABSTAIN),
        (93.0, (QUEUE,), Kind.COUNT),
        (93.0, (signal("pendingRequests", 48.0),), Kind.COUNT),
        (80.0, (QUEUE,), Kind.VETO),
        (80.0, (), Kind.ABSTAIN),
        (79.9, (QUEUE,), Kind.ABSTAIN),
    ],
    ids=["alone", "at 6 % of capacity", "and queue", "and pending", "at the target", "at it alone", "below"],
)
def test_a_busy_gpu_alone_is_no_opinion(percent, load, kind):
    """A GPU reads 93 % at 6 % of an LLM's capacity: without a second sign of load it neither steps nor vetoes."""
    assert answer(GUARD, busy(percent), *load, of=fleet(4)).kind is kind


def test_the_step_is_a_guards_step():
    """One more of four, with the numbers in the reason."""
    proposal = answer(GUARD, busy(93.0), QUEUE, of=fleet(4))
    assert proposal == Proposal(Kind.COUNT, 5, "GPUs 93 % busy, target 80 %, 3 waiting: 4 ready + 1")


def test_it_gives_up_on_a_gauge_that_more_replicas_do_not_lower():
    """Saturated at 99 %: two steps, then a notice and no third."""
    memory, now, counts, notices = {}, NOW, [], []
    for spec in (4, 5, 6, 6):
        for seconds in (15, 120):
            now += seconds
            proposal, memory = ask(GUARD, busy(99.0), QUEUE, of=fleet(spec), memory=memory, now=now)
            counts.append(proposal.replicas)
            notices += proposal.notices
    assert counts == [5, 5, 0, 6, 0, 0, 0, 0]
    assert [notice.reason for notice in notices] == ["GuardGaveUp"]


@pytest.mark.parametrize("quality", [one for one in Quality if one is not Quality.OK])
def test_as_a_guard_it_abstains_when_not_ok(quality):
    """Unknown or partial: no opinion, and nothing is blocked."""
    seen = busy(99.0, quality) if quality is Quality.PARTIAL else busy(quality)
    proposal = answer(GUARD, seen, QUEUE, of=fleet(4))
    assert proposal.kind is Kind.ABSTAIN
    assert not proposal.blocks_decrease
    assert quality.value in proposal.reason.lower()


@pytest.mark.parametrize("of", [fleet(0, 2, starting=2), fleet(3, known=False)], ids=["none ready", "not known"])
@pytest.mark.parametrize("rule", [GUARD, SIZE], ids=["guard", "size"])
def test_without_a_ready_replica_it_abstains(rule, of):
    """A ratio of nothing is nothing; as a sizing rule that also blocks a decrease."""
    proposal = answer(rule, busy(99.0), QUEUE, of=of)
    assert proposal.kind is Kind.ABSTAIN
    assert proposal.blocks_decrease is (rule is SIZE)


@pytest.mark.parametrize(
    ("ready", "spec", "percent", "demand"),
    [(4, 4, 90.0, 6.0), (4, 4, 30.0, 2.0), (4, 6, 90.0, 6.0), (5, 4, 90.0, 6.0), (3, 3, 0.0, 0.0)],
    ids=["up", "down", "starting is no part of the ratio", "nor is a surge", "idle"],
)
def test_as_a_sizing_rule_it_is_a_ratio_on_ready_replicas(ready, spec, percent, demand):
    """Ready x utilization / target: 4 at 90 % with a target of 60 % fill 6."""
    proposal = answer(SIZE, busy(percent), of=fleet(ready, spec, starting=max(0, spec - ready)))
    assert proposal[:2] == (Kind.DEMAND, demand)
    assert not proposal.blocks_decrease


def test_as_a_sizing_rule_not_known_blocks_and_partial_never_lowers():
    """The rule of every sizing signal."""
    assert answer(SIZE, busy(Quality.NO_PODS), of=fleet(4))[:4] == (
        Kind.ABSTAIN,
        0,
        "gpuUtilization is unknown (no_pods)",
        True,
    )
    partial = answer(SIZE, busy(90.0, Quality.PARTIAL, pods=3, missing=1), of=fleet(4))
    assert partial[:2] == (Kind.DEMAND, 6.0)
    assert partial.blocks_decrease
    assert partial.reason == "4 ready * 90 % / 60 % = 6, 1 of 4 replicas did not report"


@pytest.mark.parametrize("percent", [0, -1, 100.1, "80", True])
def test_the_target_is_a_percentage(percent):
    """Above 0 and at most 100."""
    with pytest.raises(ValidationError):
        GpuUtilization.model_validate({"targetPercent": percent})
