"""What a scenario names must exist: the message says where the name stands, and what there is."""

from __future__ import annotations

import pytest

from autoscaler.documents.load import load
from autoscaler.documents.scenario import Scenario
from autoscaler.experiments.scenario_check import problems_of

FRAME = """apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {{name: s}}
spec:
  {line}
  {traffic}
"""
GENERATED = "traffic: {generator: {durationSeconds: 60}}"


@pytest.fixture
def check(tmp_path):
    """Return a function from one line of a spec to its problems, and those of documents beside it."""

    def check(line="seed: 1", traffic=GENERATED, beside=""):
        path = tmp_path / "s.yaml"
        path.write_text(FRAME.format(line=line, traffic=traffic) + beside)
        documents = load([path])
        (item,) = [item for item in documents.items if isinstance(item.document, Scenario)]
        return problems_of(item.document, item.origin, documents.policies, tmp_path)

    return check


def test_a_good_scenario_has_no_problem(check, tmp_path):
    """Presets, policies and files that exist pass; a policy may stand in the same file."""
    (tmp_path / "t.csv").write_text("")
    beside = (
        "---\napiVersion: autoscaler.inference.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {name: mine}\n"
        "spec: {rules: [{type: pendingRequests, targetPerReplica: 8}]}\n"
    )
    assert check() == ()
    assert check("policies: [mine, llm-batch]", beside=beside) == ()
    assert check(traffic="traffic: {trace: {path: t.csv}}") == ()


@pytest.mark.parametrize(
    ("line", "place", "found", "word"),
    [
        ("preset: h100-llama-3.1-8", "spec.preset", "'h100-llama-3.1-8'", "did you mean h100-llama-3.1-8b?"),
        ("coldStart: {preset: wram}", "spec.coldStart.preset", "'wram'", "did you mean warm?"),
        ("policies: [llm-batch, llm]", "spec.policies[1]", "'llm'", "llm-interactive"),
    ],
)
def test_names_that_stand_for_nothing(check, line, place, found, word):
    """File, line, key path, value, and what is allowed."""
    (problem,) = check(line)
    assert (problem.path, problem.value) == (place, found)
    assert problem.source.endswith("s.yaml:5")
    assert problem.allowed.startswith("must be one of ")
    assert word in problem.allowed


@pytest.mark.parametrize(
    ("traffic", "places"),
    [
        ("traffic: {trace: {path: no.csv}}", ["spec.traffic.trace.path"]),
        (
            "traffic: {mix: [{path: no.csv}, {path: nor.csv, lengths: {fromTrace: none.csv}}]}",
            ["spec.traffic.mix[0].path", "spec.traffic.mix[1].path", "spec.traffic.mix[1].lengths.fromTrace"],
        ),
    ],
)
def test_files_that_are_not_there(check, traffic, places):
    """Every missing trace is told at once, with where it was looked for."""
    problems = check(traffic=traffic)
    assert [problem.path for problem in problems] == places
    assert all("beside the scenario" in problem.allowed for problem in problems)
