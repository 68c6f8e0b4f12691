"""The policies that targets and scenarios name: among the documents, else in the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.documents.load import find_policy, own_policy_names, policy_names
from autoscaler.documents.problems import problem_at
from autoscaler.documents.scenario import Scenario
from autoscaler.documents.wording import close_match, listed
from autoscaler.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.documents.autoscaler import InferenceAutoscaler, InferenceAutoscalerSpec
    from autoscaler.documents.load import Documents
    from autoscaler.documents.parse import Origin
    from autoscaler.documents.policy import ScalingPolicy, ScalingPolicySpec
    from autoscaler.errors import Problem
    from autoscaler.rules.base import RuleModel


def policy_of(
    spec: InferenceAutoscalerSpec,
    policies: Mapping[str, ScalingPolicy],
    registry: Mapping[str, type[RuleModel]],
    origin: Origin,
) -> ScalingPolicySpec:
    """Return a target's policy: its own, or the one that it names.

    Raises:
        DocumentError: there is none of the name.
    """
    if spec.policy is not None:
        return spec.policy
    name = spec.policy_ref.name if spec.policy_ref is not None else ""
    found = find_policy(name, policies, registry)
    if found is None:
        raise DocumentError(problem_at(origin, ("spec", "policyRef", "name"), name, _instead_of(name, policies)))
    return found.spec


def _instead_of(name: str, policies: Mapping[str, ScalingPolicy]) -> str:
    """Return what a target may name where it names no policy of ours."""
    known = own_policy_names(policies)
    peers = "; it is a peer's, for the simulator alone" if name in policy_names(policies) else ""
    return (
        f"must name a ScalingPolicy of the documents or the library: {listed(known)}{peers or close_match(name, known)}"
    )


def with_named(
    policies: dict[str, ScalingPolicy], document: InferenceAutoscaler, registry: Mapping[str, type[RuleModel]]
) -> dict[str, ScalingPolicy]:
    """Return the policies with the one that the document names put among them: the library is read once for each."""
    name = document.spec.policy_ref.name if document.spec.policy_ref is not None else None
    if name is not None and name not in policies and (found := find_policy(name, policies, registry)) is not None:
        policies[name] = found
    return policies


def scenario_problems(documents: Documents) -> tuple[Problem, ...]:
    """Return what is wrong with the policies that the scenarios name."""
    known = policy_names(documents.policies)
    problems = []
    for document, origin in documents.items:
        names = document.spec.policies if isinstance(document, Scenario) else ()
        for number, name in enumerate(names):
            if name not in known:
                allowed = f"must name a ScalingPolicy or PeerPolicy: {listed(known)}{close_match(name, known)}"
                problems.append(problem_at(origin, ("spec", "policies", number), name, allowed))
    return tuple(problems)
