from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Literal

import pytest

from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Kind, Role, abstain
from autoscaler.errors import UsageError
from autoscaler.rules.base import RuleModel
from autoscaler.rules.registry import BUILT_IN, register
from tests.rules.builders import answer, fleet, signal


class Complete(RuleModel):
    """A rule with all its parts."""

    type: Literal["complete"] = "complete"
    name: str = "complete"
    role: ClassVar = Role.GUARD
    needs: ClassVar = ()

    def propose(self, observation, fleet, memory, now):
        return abstain("nothing to say"), memory


class Namesake(Complete):
    """Another class of the same type."""


class Untyped(RuleModel):
    """Has no type."""


class Nameless(RuleModel):
    """Has a type and no name."""

    type: Literal["nameless"] = "nameless"


class Silent(RuleModel):
    """Has no role, no needs and nothing to propose."""

    type: Literal["silent"] = "silent"
    name: str = "silent"


def test_the_built_in_types():
    """The types that documents may use out of the box; each class' type is its key, and its default name."""
    assert set(BUILT_IN) == {
        *("pendingRequests", "queueDepth", "requestRate", "tokenRate", "targetTracking", "threshold"),
        *("capacity", "cpuUtilization", "latency", "gpuUtilization", "kvCacheUtilization", "schedule", "advisor"),
    }
    for kind, rule in BUILT_IN.items():
        assert rule.model_fields["type"].default == kind
        assert rule.model_fields["name"].default == kind


def test_every_parameter_says_what_it_means():
    """The reference page is made of these."""
    silent = [
        f"{kind}.{name}"
        for kind, rule in BUILT_IN.items()
        for name, field in rule.model_fields.items()
        if name not in ("type", "name") and not field.description
    ]
    assert silent == []


@pytest.mark.parametrize(
    "rule",
    [
        BUILT_IN["pendingRequests"](target_per_replica=1),
        BUILT_IN["queueDepth"](target_per_replica=1),
        BUILT_IN["latency"](signal="endToEnd", objective_seconds=1),
        BUILT_IN["gpuUtilization"](target_percent=1),
        BUILT_IN["gpuUtilization"](target_percent=1, role=Role.SIZE),
        BUILT_IN["threshold"](signal="kvCacheUtilization", above=1),
        BUILT_IN["requestRate"](target_per_replica=1),
        BUILT_IN["tokenRate"](target_per_replica=1),
        BUILT_IN["cpuUtilization"](target_percent=1),
        BUILT_IN["kvCacheUtilization"](target_percent=1),
        BUILT_IN["targetTracking"](signal="mine", form="Value", target=1),
        BUILT_IN["targetTracking"](signal="mine", form="AverageValue", target=1),
    ],
    ids=lambda rule: f"{rule.name} {rule.role}",
)
def test_a_value_of_doubtful_quality_is_not_used(rule):
    """A source that hands over the last value it had, and calls it stale: as unknown as none."""
    old = [signal(request.key, 1e6, Quality.STALE, samples=100.0) for request in rule.needs]
    proposal = answer(rule, *old, of=fleet(4))
    assert proposal.kind is Kind.ABSTAIN
    assert "is unknown (stale)" in proposal.reason
    assert proposal.blocks_decrease is (rule.role is Role.SIZE)


def test_registering_adds_and_leaves_the_old_registry_alone():
    """A registry is a value."""
    more = register(BUILT_IN, Complete, "here")
    assert more["complete"] is Complete
    assert "complete" not in BUILT_IN
    assert isinstance(more, MappingProxyType)


def test_the_same_class_twice_is_no_conflict():
    """A package may offer a rule that a settings file names too."""
    once = register(BUILT_IN, Complete, "here")
    assert register(once, Complete, "there") == once


@pytest.mark.parametrize(
    ("candidate", "says"),
    [
        (Namesake, r"there: the rule type 'complete' is already that of .*Complete"),
        (Untyped, r'there: Untyped needs a type, such as type: Literal\["myRule"\] = "myRule"'),
        (Nameless, r'there: Nameless needs a name, such as name: str = "nameless"'),
        (Silent, r"there: Silent lacks role, needs, propose"),
        (int, r"there: <class 'int'> must be a subclass of autoscaler.rules.base.RuleModel"),
        (Complete(), r"must be a subclass"),
    ],
    ids=["type taken", "no type", "no name", "no parts", "no rule", "an instance"],
)
def test_what_is_no_rule_is_refused_by_name(candidate, says):
    """The message says where it came from and what is missing."""
    with pytest.raises(UsageError, match=says):
        register(register(BUILT_IN, Complete, "here"), candidate, "there")
