"""The list of mutants speaks of the engine as it is."""

from __future__ import annotations

import pytest

from tests.engine.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.module}: {mutant.after}")
def test_the_mutated_line_still_stands_in_its_module(mutant):
    """A mutant whose line is gone would test nothing."""
    assert mutant.before in (ROOT / "autoscaler" / "engine" / f"{mutant.module}.py").read_text()
    assert mutant.before != mutant.after
