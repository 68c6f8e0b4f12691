"""The list of presets."""

from __future__ import annotations

import io
import json

from rich.console import Console

from autoscaler.experiments import preset_list
from autoscaler.simulator.presets import PRESETS


def test_the_list_names_all_that_a_reader_must_know():
    """Every preset stands there with GPU, model, coefficients, KV cache, engine, source and grade; and so in JSON."""
    text = io.StringIO()
    preset_list.render(Console(file=text, width=260))
    lines = text.getvalue()
    found = json.loads(json.dumps(preset_list.to_json()))["presets"]
    assert [one["name"] for one in found] == list(PRESETS)
    for preset in PRESETS.values():
        (line,) = [line for line in lines.splitlines() if line.startswith(f"{preset.name} ")]
        for word in (preset.gpu, preset.model, f"{preset.base_ms:g}", f"{preset.prefill_ms:g}", preset.engine):
            assert word in line
        assert preset.grade in line
        assert preset.source in line
