from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules.cpu_utilization import CpuUtilization
from autoscaler.rules.gpu_utilization import GpuUtilization
from autoscaler.rules.target_tracking import TargetTracking
from tests.rules.builders import answer, fleet, signal

CPU = CpuUtilization(target_percent=60)
RATIOS = [
    CPU,
    GpuUtilization(target_percent=60, role=Role.SIZE),
    TargetTracking(signal="mine", form="Value", target=60),
]


def reads(rule, value, quality=Quality.OK, **more):
    """Return the rule's signal with this value."""
    return signal(rule.needs[0].key, value, quality, **more)


@pytest.mark.parametrize("rule", RATIOS, ids=lambda rule: rule.type)
def test_a_ratio_sizes_by_the_ready_replicas(rule):
    """4 ready at 90 with a target of 60 fill 6, whatever else is starting; and no more count than are asked for."""
    assert answer(rule, reads(rule, 90.0), of=fleet(4, spec=7))[:2] == (Kind.DEMAND, 6.0)
    assert answer(rule, reads(rule, 90.0), of=fleet(5, spec=4)).replicas == 6.0


@pytest.mark.parametrize("rule", RATIOS, ids=lambda rule: rule.type)
@pytest.mark.parametrize("of", [fleet(0, spec=2), fleet(3, known=False)], ids=["none ready", "pods not known"])
def test_a_ratio_of_nothing_is_no_opinion(rule, of):
    """Without a ready replica there is nothing to multiply, and nothing may be lowered."""
    proposal = answer(rule, reads(rule, 90.0), of=of)
    assert (proposal.kind, proposal.blocks_decrease) == (Kind.ABSTAIN, True)


@pytest.mark.parametrize("rule", RATIOS, ids=lambda rule: rule.type)
def test_a_partial_ratio_may_raise_and_never_lowers(rule):
    """The missing count as zero in the mean."""
    proposal = answer(rule, reads(rule, 90.0, Quality.PARTIAL, pods=3, missing=1), of=fleet(4))
    assert (proposal.kind, proposal.blocks_decrease) == (Kind.DEMAND, True)
    assert proposal.reason.endswith("= 6, 1 of 4 replicas did not report")


def test_cpu_may_be_above_its_request():
    """Percent of a request, which is no limit: 4 ready at 300 % with a target of 150 % fill 8."""
    assert answer(CpuUtilization(target_percent=150), signal("cpuUtilization", 300.0), of=fleet(4)).replicas == 8.0


def test_a_total_is_divided_by_the_target_at_any_number_of_replicas():
    """`AverageValue`: 90 over 20 per replica, also with none ready."""
    rule = TargetTracking(signal="mine", form="AverageValue", target=20)
    for ready in (0, 3):
        assert answer(rule, signal("mine", 90.0), of=fleet(ready)) == Proposal(
            Kind.DEMAND, 4.5, "90 mine / 20 per replica = 4.5"
        )


def test_a_latency_is_tracked_as_a_ratio_with_its_quantile():
    """The request has the quantile; a total it cannot be."""
    rule = TargetTracking(signal="endToEnd", quantile=0.9, form="Value", target=2)
    assert [request.key for request in rule.needs] == ["endToEnd:0.9"]
    assert answer(rule, signal("endToEnd:0.9", 3.0), of=fleet(4)).replicas == 6.0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"signal": "mine", "target": 1}, "form"),
        ({"signal": "mine", "form": "Utilization", "target": 1}, "'AverageValue' or 'Value'"),
        ({"signal": "mine", "form": "Value", "target": 0}, "greater than 0"),
        ({"signal": "mine", "form": "Value", "target": 1, "quantile": 0.9}, "`quantile` belongs to"),
        ({"signal": "endToEnd", "form": "Value", "target": 1}, "`quantile` belongs to"),
        ({"signal": "endToEnd", "form": "AverageValue", "target": 1, "quantile": 0.9}, "`form` must be Value"),
    ],
)
def test_the_form_must_be_said_and_fit(given, says):
    """A total and a ratio look alike and run to opposite bounds, so nobody guesses."""
    with pytest.raises(ValidationError, match=says):
        TargetTracking.model_validate(given)
