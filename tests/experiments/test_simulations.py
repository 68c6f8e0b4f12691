"""The scenarios that come with the program."""

from __future__ import annotations

import dataclasses

import pytest

from autoscaler.cli.scenarios import find, names
from autoscaler.documents import library
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.scene import make_scene
from autoscaler.simulator.fleet import compiled_kernel


@pytest.mark.parametrize("name", names())
def test_every_scenario_teaches_something_and_can_be_played(name):
    """It is named as its file, says what it teaches, stands in the index, and its first requests are answered."""
    scenario, folder, policies = find(name)
    index = (library.simulations() / "README.md").read_text()
    assert scenario.metadata.name == name
    assert f"[{name}]({name}.yaml) | {scenario.description} | llm-interactive | " in index
    spec = scenario.spec
    if (spec.traffic.generator.duration_seconds or 0.0) > 86400:
        shorter = spec.traffic.generator.model_copy(update={"duration_seconds": 3600.0})
        spec = spec.model_copy(update={"traffic": spec.traffic.model_copy(update={"generator": shorter})})
    scene = make_scene(name, spec, folder=folder)
    # at night nobody may ask for hours, and who asks then may have to wait for a node
    horizon_seconds = float(scene.trace.arrival_seconds[0]) + 900.0
    scene = scene._replace(course=dataclasses.replace(scene.course, horizon_seconds=horizon_seconds))
    players = [player for policy in spec.policies for player in contestants(policy, scene, policies)]
    for result in compare(scene, players, compiled=compiled_kernel(), timer=lambda: 0.0).scores:
        assert result.completed > 0


def test_there_are_the_scenarios_that_readers_recognise():
    """Those that the index promises are there."""
    assert set(names()) >= {
        "chat", "code-completion", "diurnal-week", "internal-tool", "flash-crowd", "node-loss", "slow-registry",
        "mixed-lengths", "office-hours",
    }  # fmt: skip
