from __future__ import annotations

from autoscaler.documents.load import load, policy_names
from autoscaler.documents.named_policy import scenario_problems
from autoscaler.documents.wording import listed
from tests.documents.texts import SCENARIO, changed


def test_a_scenario_names_policies_that_exist(file):
    """A typing error is told with the nearest name."""
    documents = load([file(changed(SCENARIO, ("[llm-interactive]", "[llm-batch, llm-interactiv]")))])
    (problem,) = scenario_problems(documents)
    assert str(problem) == (
        f"docs.yaml:10: spec.policies[1]: must name a ScalingPolicy or PeerPolicy: {listed(policy_names({}))} "
        "(found 'llm-interactiv'); did you mean llm-interactive?"
    )
    assert scenario_problems(load([file(SCENARIO)])) == ()
