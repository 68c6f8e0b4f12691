"""Loads upstream's tables: one case of one kind is one test, a case that is out of scope is skipped by its id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

_VECTORS = Path(__file__).parent / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file that hold for current upstream; a file without the distinction has only those."""
    cases = json.loads((_VECTORS / name).read_text())["cases"]
    return [case for case in cases if "current" in case.get("semantics", ("current",))]


def of_kind(cases: list[dict[str, Any]], *kinds: str, skips: Mapping[str, str] | None = None) -> list[Any]:
    """Return the cases of these kinds as parameters; `skips` holds reasons by id."""
    reasons = skips or {}
    return [
        pytest.param(case, id=case["id"], marks=pytest.mark.skip(reason=reasons[case["id"]]))
        if case["id"] in reasons
        else pytest.param(case, id=case["id"])
        for case in cases
        if case.get("kind", "") in kinds
    ]
