"""What may vary, in a person's words."""

from __future__ import annotations

import pytest

from autoscaler.errors import UsageError
from autoscaler.experiments.tuning.defaults import default_space
from autoscaler.experiments.tuning.space import Range, Varied, grid, read_varied, shifted
from autoscaler.experiments.tuning.subject import find_subject

ROOT = {"a": 1, "b": {"c": 2.0}}


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a=1,2,5", (1, 2, 5)),
        ("a=0.5,x,true", (0.5, "x", True)),
        ("a=1..10", Range(1, 10)),
        ("b.c=0.5..10", Range(0.5, 10)),
        ("b.c=0.001..1.5:log", Range(0.001, 1.5, log=True)),
        ("b.c=1e2..1e3", Range(100.0, 1000.0)),
        ("a=-3..3", Range(-3, 3)),
    ],
)
def test_lists_and_ranges(text, domain):
    """Numbers, words and truth values; a range of whole ends means whole numbers."""
    (varied,) = read_varied([text], ROOT)
    assert varied.domain == domain
    assert [type(one) for one in varied.domain] == [type(one) for one in domain]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a"], "must be PATH=VALUE"),
        (["a="], "must be PATH=VALUE"),
        (["a=1,1"], "twice"),
        (["a=1,,2"], "no value"),
        (["a=5..1"], "must go up"),
        (["a=1..x"], "ends of a range must be numbers"),
        (["a=0..4:log"], "range above 0"),
        (["a=1..4:lin"], "must end in :log"),
        (["a=nan"], "no value"),
        (["a=1", "a=2"], "named twice"),
        (["b=1"], "holds several"),
    ],
)
def test_what_is_no_list_and_no_range_is_refused(texts, words):
    """With what is allowed."""
    with pytest.raises(UsageError, match=words):
        read_varied(texts, ROOT)


def lists(*lengths):
    """Return lists of so many values."""
    return tuple(Varied((f"p{place}",), tuple(range(length))) for place, length in enumerate(lengths))


def test_one_or_two_lists_are_tried_whole():
    """More of them only where that is no more than was asked for, and ranges never."""
    assert len(grid(lists(100), 10)) == 100
    assert grid(lists(2, 3), 1) == ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2))
    assert len(grid(lists(2, 3, 4), 24)) == 24
    assert grid(lists(2, 3, 4), 23) is None
    assert grid((*lists(2), Varied(("r",), Range(0, 1))), 50) is None


def test_numbers_are_moved_a_little_and_words_are_not():
    """One at a time, up and down; a whole number that would not change is left out."""
    varied = (Varied(("a",), (1, 100)), Varied(("b",), ("x",)), Varied(("c",), Range(0.0, 4.0)))
    assert list(shifted(varied, (100, "x", 2.0), 0.1)) == [
        (90, "x", 2.0), (110, "x", 2.0), (100, "x", 1.8), (100, "x", 2.2)
    ]  # fmt: skip
    assert list(shifted(varied[:1], (1,), 0.1)) == []


@pytest.mark.parametrize("name", ["llm-interactive", "scale-to-zero", "knative", "hpa-pending-requests", "ray-serve"])
def test_every_kind_of_policy_has_something_to_vary(name):
    """Where nobody says what, the parameters of taste are; objectives and bounds are not among them."""
    names = [varied.name for varied in default_space(find_subject(name, {}))]
    assert names
    assert not [one for one in names if "bjective" in one or "minReplicas" in one or "maxReplicas" in one]
