"""Scenes that are quick to play."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.documents.load import validate
from autoscaler.documents.parse import Origin, Raw
from autoscaler.experiments.scene import make_scene

TRAFFIC = {"generator": {"requestsPerSecond": 5, "durationSeconds": 300}}


@pytest.fixture
def make():
    """Return a function from a scenario's spec to its scene."""

    def make(folder=Path(), trace_path=None, seed=None, **spec):
        document = {
            "apiVersion": "autoscaler.inference.dev/v1alpha1",
            "kind": "Scenario",
            "metadata": {"name": "test"},
            "spec": {"traffic": TRAFFIC, **spec},
        }
        scenario = validate(Raw(document, Origin("test")))
        return make_scene("test", scenario.spec, folder=folder, trace_path=trace_path, seed=seed)

    return make
