"""KEDA's `scalingModifiers.formula`: a subset of the expr language over the triggers' values, by their names.

Read are numbers, names, parentheses, `+ - * / ^ **`, comparisons, `&& || !` (and `and`, `or`, `not`), `a ? b : c`, and
the functions of `FUNCTIONS`, of numbers or of one list in brackets. Everything else of expr is refused with its place:
`%` and integers, `nil` and `??`, strings, maps, closures such as `count([a, b], {# > 1})`, and other functions.

Upstream: kedacore/keda pkg/scaling/modifiers/formula.go over expr-lang/expr, whose precedences these are.
"""

from __future__ import annotations

import math
import re
import statistics
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST, _DEEPEST = 1000, 40
_NUMBER, _NAME = r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+", r"[A-Za-z_]\w*"
_SIGN = r"\*\*|&&|\|\||[<>=!]=|[-+*/^<>!?:(),\[\]]"
_TOKEN = re.compile(rf"\s*(?:{_NUMBER}|{_NAME}|{_SIGN})", re.ASCII)
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_LEVELS = {
    "||": 10, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20,
    "+": 30, "-": 30, "*": 60, "/": 60, "**": 100, "^": 100,
}  # fmt: skip
_UNARY = {"!": 50, "-": 90, "+": 90}
_TO_THE_RIGHT = ("**", "^")
_COMPARING, _JOINING = ("==", "!=", "<", ">", "<=", ">="), ("||", "&&", "!")


def _half_away(value: float) -> float:
    """Return the nearest whole number; halves go away from zero, as in Go."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


_EACH: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {"abs": abs, "ceil": math.ceil, "floor": math.floor, "round": _half_away, "float": float}
)
_ALL: Mapping[str, Callable[[list[float]], float]] = MappingProxyType(
    {"max": max, "min": min, "sum": math.fsum, "mean": statistics.fmean, "median": statistics.median}
)
FUNCTIONS = (*_EACH, *_ALL)
"""Those of one number, then those of several, or of one list."""


class Node(NamedTuple):
    """A part of a formula: an operator, a function, `number`, `name` or `?`, with what it is applied to."""

    word: str
    parts: tuple[Node, ...] = ()
    text: str = ""
    """The name, or the number as it is written."""

    @property
    def is_truth(self) -> bool:
        """Whether it yields a truth value, and not a number."""
        if self.word == "?":
            return self.parts[1].is_truth
        return self.word in _COMPARING or self.word in _JOINING


def parse(text: str) -> Node:
    """Return the formula.

    Raises:
        ValueError: it is no formula, none of the subset, or does not yield a number.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"formula: must have at most {_LONGEST} characters, and has {len(text)}")
    reader = _Reader(text, _tokens(text))
    node = reader.expression(0)
    if reader.peek():
        raise reader.wrong(f"{reader.peek()!r} is not expected here")
    if node.is_truth:
        raise ValueError(f"formula {text!r}: must yield a number, as `a > 2 ? a : 0` does")
    return node


def names(node: Node) -> frozenset[str]:
    """Return the triggers that a formula reads."""
    own = {node.text} if node.word == "name" else set()
    return frozenset(own.union(*(names(part) for part in node.parts)))


def evaluate(node: Node, values: Mapping[str, float]) -> float | None:
    """Return what the formula comes to; None where that is no finite number, as after a division by zero."""
    try:
        found = _value(node, values)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _value(node: Node, values: Mapping[str, float]) -> float:
    word, parts = node.word, node.parts
    if not parts:
        return float(node.text) if word == "number" else values[node.text]
    if word == "?":
        return _value(parts[1] if _value(parts[0], values) else parts[2], values)
    if word in ("&&", "||"):
        first = bool(_value(parts[0], values))
        return first if first is (word == "||") else bool(_value(parts[1], values))
    found = [_value(part, values) for part in parts]
    if word in FUNCTIONS:
        return float(_EACH[word](found[0]) if word in _EACH else _ALL[word](found))
    return _ONE[word](found[0]) if len(found) == 1 else _TWO[word](*found)


_ONE: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {"!": lambda a: not a, "-": lambda a: -a, "+": lambda a: a}
)
_TWO: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
        "**": math.pow, "^": math.pow, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    }
)  # fmt: skip


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].strip()
            raise ValueError(f"formula {text!r}: {rest[:20]!r} is none of the expr language that is read here")
        found.append(_WORDS.get(match.group().strip(), match.group().strip()))
        at = match.end()
    return found


class _Reader:
    """Reads tokens from left to right, operators by their precedence."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self._text, self._tokens, self._at, self._depth = text, tokens, 0, 0

    def wrong(self, why: str) -> ValueError:
        """Return the error that says so of this formula."""
        return ValueError(f"formula {self._text!r}: {why}")

    def peek(self) -> str:
        """Return the next token; empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def expression(self, least: int) -> Node:
        """Return the longest expression whose operators bind at least so tightly."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.wrong(f"is nested more than {_DEEPEST} deep")
        left = self._operand()
        while (level := _LEVELS.get(self.peek(), -1)) >= max(least, 0):
            word = self._next()
            right = self.expression(level if word in _TO_THE_RIGHT else level + 1)
            left = self._checked(Node(word, (left, right)))
        if least == 0 and self.peek() == "?":
            left = self._choice(left)
        self._depth -= 1
        return left

    def _choice(self, condition: Node) -> Node:
        self._expect("?")
        first = self.expression(0)
        self._expect(":")
        node = Node("?", (condition, first, self.expression(0)))
        if not condition.is_truth or node.parts[1].is_truth is not node.parts[2].is_truth:
            raise self.wrong("`? :` needs a condition, and two numbers or two conditions to choose from")
        return node

    def _operand(self) -> Node:
        word = self._next()
        if word in _UNARY:
            return self._checked(Node(word, (self.expression(_UNARY[word]),)))
        if word == "(":
            inner = self.expression(0)
            self._expect(")")
            return inner
        if word[:1].isdigit() or (word[:1] == "." and len(word) > 1):
            return Node("number", (), word)
        if not (word[:1].isalpha() or word[:1] == "_"):
            raise self.wrong(f"{word!r} is not expected here" if word else "ends too early")
        return self._function(word) if self.peek() == "(" else Node("name", (), word)

    def _function(self, word: str) -> Node:
        if word not in FUNCTIONS:
            raise self.wrong(f"the function {word} is none of {', '.join(FUNCTIONS)}")
        self._expect("(")
        in_list = word in _ALL and self.peek() == "["
        if in_list:
            self._expect("[")
        parts = [self.expression(0)]
        while self.peek() == ",":
            self._expect(",")
            parts.append(self.expression(0))
        if in_list:
            self._expect("]")
        self._expect(")")
        if word in _EACH and len(parts) != 1:
            raise self.wrong(f"{word} takes one number, and has {len(parts)}")
        return self._checked(Node(word, tuple(parts)))

    def _checked(self, node: Node) -> Node:
        truths = node.word in _JOINING
        if any(part.is_truth is not truths for part in node.parts):
            raise self.wrong(f"{node.word} takes {'conditions' if truths else 'numbers'}")
        return node

    def _next(self) -> str:
        word = self.peek()
        self._at += 1
        return word

    def _expect(self, word: str) -> None:
        if (found := self._next()) != word:
            raise self.wrong(f"needs {word!r} where {found!r} stands" if found else f"needs {word!r} at its end")
