from __future__ import annotations

import json

import pytest

from autoscaler.cli.main import main
from autoscaler.documents.schema import schema, schema_of


def test_it_prints_the_schema_and_nothing_else(capsys):
    """Standard output is one JSON value."""
    with pytest.raises(SystemExit) as ended:
        main(["schema"])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert json.loads(out) == schema()


def test_it_prints_the_schema_of_one_kind(capsys):
    """For an editor that is told which kind a file is."""
    with pytest.raises(SystemExit):
        main(["schema", "--kind", "ScalingPolicy"])
    assert json.loads(capsys.readouterr().out) == schema_of("ScalingPolicy")


def test_a_kind_that_is_not_there_is_wrong_usage(capsys):
    """With the kinds there are, and the one that was meant."""
    with pytest.raises(SystemExit) as ended:
        main(["schema", "--kind", "ScalingPolice"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "autoscaler: --kind ScalingPolice: must be one of InferenceAutoscaler, ScalingPolicy, Scenario, PeerPolicy; "
        "did you mean ScalingPolicy?\n"
    )
