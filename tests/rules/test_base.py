from __future__ import annotations

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from autoscaler.rules.base import Count, Finite, Name, NotNegative, Percent, Positive

NEVER = [True, None, "1", [1], math.nan, math.inf, -math.inf]
TINY = 5e-324


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (Positive, [TINY, 1, 1e300], [0, -TINY]),
        (NotNegative, [0, TINY, 0.5], [-TINY]),
        (Finite, [0, -1e300, 1e300], []),
        (Percent, [TINY, 0.5, 100], [0, 100.00001]),
        (Count, [1, 2**31 - 1], [0, -1, 1.5, 2**31]),
    ],
    ids=["Positive", "NotNegative", "Finite", "Percent", "Count"],
)
def test_numbers_have_ranges_and_nothing_is_converted(kind, allowed, refused):
    """At each end exactly; a text, a truth value, NaN and infinity are never numbers."""
    adapter = TypeAdapter(kind)
    assert [adapter.validate_python(value) for value in allowed] == allowed
    for value in [*refused, *NEVER]:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize("value", ["", "x" * 64, b"bytes", 1])
def test_a_name_is_a_text_of_1_to_63_characters(value):
    """As a label's value in Kubernetes."""
    adapter = TypeAdapter(Name)
    assert [adapter.validate_python(name) for name in ("x", "x" * 63)] == ["x", "x" * 63]
    with pytest.raises(ValidationError):
        adapter.validate_python(value)
