"""The part of expr that a formula may be written in, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.peers.keda_formula import FUNCTIONS, evaluate, names, parse

VALUES = {"a": 2.0, "b": 10.0, "zero": 0.0, "big": 1e308}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", 2.0),
        ("a + b * 3", 32.0),
        ("(a + b) * 3", 36.0),
        ("b - a - 1", 7.0),
        ("b / a / 5", 1.0),
        ("2 ** 3 ^ 2", 512.0),
        ("-2 ** 2", -4.0),
        ("-a * -b", 20.0),
        ("1e2 + .5", 100.5),
        ("a > 1 ? a + b : 1", 12.0),
        ("a > b ? 1 : zero > 0 ? 2 : 3", 3.0),
        ("a == 2 && !(b < 3) ? 1 : 0", 1.0),
        ("a > 5 or b >= 10 and zero != 1 ? 1 : 0", 1.0),
        ("not (a > 1) ? 1 : 0", 0.0),
        ("max(a, b, 3)", 10.0),
        ("min([a, b]) + sum([a, b, 1])", 15.0),
        ("mean(a, b) + median([1, 2, 9])", 8.0),
        ("ceil(2.1) + floor(2.9) + round(2.5) + round(-2.5) + abs(-1)", 6.0),
        ("float(a < 2 ? a + b : 2)", 2.0),
        ("zero > 0 && 1 / zero > 1 ? 1 : 2", 2.0),
    ],
)
def test_what_a_formula_comes_to(text, value):
    """Precedence, direction and laziness are those of expr."""
    assert evaluate(parse(text), VALUES) == pytest.approx(value)


@pytest.mark.parametrize("text", ["a / zero", "zero / zero", "big * b", "10 ** 400", "(-8) ** 0.5"])
def test_what_is_no_finite_number_is_a_failure(text):
    """And no zero, which would be idle."""
    assert evaluate(parse(text), VALUES) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends too early"),
        ("a +", "ends too early"),
        ("a b", "'b' is not expected here"),
        ("(a", "needs '\\)' at its end"),
        ("a % 2", "'% 2' is none of the expr language that is read here"),
        ("a ?? 1", "is not expected here"),
        ("'x'", "none of the expr language"),
        ("count([a, b], {# > 1}) > 1 ? 5 : 0", "the expr language|function count is none of"),
        ("exec(a)", "the function exec is none of abs, ceil"),
        ("abs(a, b)", "abs takes one number, and has 2"),
        ("a > 1", "must yield a number"),
        ("a ? 1 : 2", "needs a condition"),
        ("a > 1 ? b > 1 : 2", "needs a condition, and two numbers or two conditions"),
        ("a + (b > 1)", "\\+ takes numbers"),
        ("(a > 1) + 1", "\\+ takes numbers"),
        ("a && b > 1 ? 1 : 0", "&& takes conditions"),
        ("1 < a < 3 ? 1 : 0", "< takes numbers"),
        ("(" * 100 + "a" + ")" * 100, "nested more than 40 deep"),
        ("a" * 1001, "at most 1000 characters"),
        ("a.b", "none of the expr language"),
        ("__import__('os')", "none of the expr language|function __import__"),
    ],
)
def test_what_is_not_read_is_refused_with_its_place(text, says):
    """Nothing is guessed at, and nothing is run."""
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_the_triggers_that_it_reads_are_known():
    """Names, and not functions."""
    assert names(parse("max(a, b) > 1 ? c : 2 ^ d")) == {"a", "b", "c", "d"}


SMALL = st.integers(0, 9).map(str) | st.sampled_from(["a", "b"])
SUMS = st.recursive(
    SMALL,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
    max_leaves=12,
)


@given(SUMS)
def test_arithmetic_is_as_everywhere(text):
    """Held against Python's own, on text that was made here."""
    assert evaluate(parse(text), VALUES) == pytest.approx(eval(text, {"__builtins__": {}}, dict(VALUES)))


@given(st.text(alphabet="ab12.+-*/()<>=!&|?:, []%#{}'\\n", max_size=40))
def test_any_text_is_read_or_refused(text):
    """With a message, and nothing else."""
    try:
        node = parse(text)
    except ValueError as error:
        refused = str(error)
        assert refused.startswith("formula")
    else:
        assert evaluate(node, dict.fromkeys(names(node), 1.0)) is None or not node.is_truth


def test_the_functions_are_told():
    """As the message and the page list them."""
    assert FUNCTIONS == ("abs", "ceil", "floor", "round", "float", "max", "min", "sum", "mean", "median")
