"""Where a parameter stands."""

from __future__ import annotations

import pytest

from autoscaler.errors import UsageError
from autoscaler.experiments.tuning.paths import found, numbers, replaced, resolve, said

SPEC = {
    "rules": [
        {"type": "capacity", "spareReplicas": 1},
        {"type": "latency", "name": "first", "objectiveSeconds": 2},
        {"type": "latency", "name": "whole", "objectiveSeconds": 20},
    ],
    "scaleToZero": {"idleAfterSeconds": 900},
}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("scaleToZero.idleAfterSeconds", ("scaleToZero", "idleAfterSeconds")),
        ("rules.capacity.spareReplicas", ("rules", 0, "spareReplicas")),
        ("capacity.spareReplicas", ("rules", 0, "spareReplicas")),
        ("rules[1].objectiveSeconds", ("rules", 1, "objectiveSeconds")),
        ("rules.2.objectiveSeconds", ("rules", 2, "objectiveSeconds")),
        ("whole.objectiveSeconds", ("rules", 2, "objectiveSeconds")),
        ("behavior.scaleDown.stabilizationWindowSeconds", ("behavior", "scaleDown", "stabilizationWindowSeconds")),
    ],
)
def test_a_parameter_is_named_by_keys_and_by_what_items_are_called(text, path):
    """Rules by name, type or number, with or without `rules` before them; what is not there yet can be named too."""
    assert resolve(text, SPEC) == path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules.capacit.spareReplicas", "did you mean capacity?"),
        ("rules.7.spareReplicas", "from 0 to 2"),
        ("rules.capacity", "holds several"),
        ("scaleToZero", "holds several"),
        ("scaleToZero.idleAfterSeconds.more", "has no 'more'"),
        ("rules..x", "dots in between"),
        ("", "dots in between"),
    ],
)
def test_what_cannot_be_there_is_refused(text, words):
    """The message says what there is."""
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        resolve(text, SPEC)


def test_two_items_of_one_name_need_a_number():
    """Nobody guesses which one is meant."""
    twins = {"rules": [{"type": "latency"}, {"type": "latency"}]}
    with pytest.raises(UsageError, match="2 items are called latency"):
        resolve("rules.latency.quantile", twins)


def test_a_value_is_set_in_a_copy():
    """The original stays as it is, mappings on the way are made, and a text stays a text."""
    document = {"a": [{"b": 1}, {"b": "5"}]}
    assert replaced(document, ("a", 0, "b"), 2) == {"a": [{"b": 2}, {"b": "5"}]}
    assert replaced(document, ("a", 1, "b"), 7.5) == {"a": [{"b": 1}, {"b": "7.5"}]}
    assert replaced(document, ("c", "d"), 3) == {**document, "c": {"d": 3}}
    assert document == {"a": [{"b": 1}, {"b": "5"}]}


def test_paths_are_followed_and_said():
    """What is not there is None; messages have brackets for numbers."""
    assert found(SPEC, ("rules", 1, "objectiveSeconds")) == 2
    assert found(SPEC, ("behavior", "scaleUp", "x")) is None
    assert said(("rules", 1, "objectiveSeconds")) == "rules[1].objectiveSeconds"


def test_numbers_are_listed_and_truth_values_are_none():
    """Each with its path."""
    assert list(numbers({"a": [1, {"b": 2.5}], "c": True, "d": "x"})) == [(("a", 0), 1), (("a", 1, "b"), 2.5)]
