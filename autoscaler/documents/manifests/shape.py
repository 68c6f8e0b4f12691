"""The shape of a PromQL query that asks for one well-known thing: which metrics, how read, how brought together.

Only a small part of the language is understood: selectors, `rate`, `sum`, `avg`, `max`, `+`, a constant factor,
`histogram_quantile` and a trailing `or vector(0)`. Whatever else a query has makes it one of the user's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.preset import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<range>\[\s*[0-9smhdwy]+\s*\])|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<sign>=~|!~|!=|[-+*/(){},=]))",
    re.ASCII,
)
_OR_ZERO = re.compile(r"^(?P<rest>.*)\bor\s+(?:on\s*\(\s*\)\s*)?vector\s*\(\s*0(?:\.0*)?\s*\)\s*$", re.DOTALL)
_OVER = {"sum": "sum", "avg": "mean", "max": "max"}
_RATES = ("rate", "irate")
_LONGEST = 4000
_DEEPEST = 20


class Matcher(NamedTuple):
    """One condition of a selector."""

    label: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f'{self.label}{self.sign}"{self.value}"'


class Shape(NamedTuple):
    """What a query asks for."""

    names: frozenset[str]
    """Metrics that are added up."""
    form: Form = Form.VALUE
    over: str = ""
    """How the series become one: `sum`, `mean` or `max`; empty where there is but one anyway."""
    quantile: float | None = None
    factor: float = 1.0
    """What the query's value is multiplied with."""
    matchers: tuple[Matcher, ...] = ()
    by: frozenset[str] = frozenset()
    """Labels that the series are kept apart by."""
    or_zero: bool = False
    """Where nothing is found, it answers 0."""


class _NotUnderstoodError(Exception):
    """The query has something that is not understood."""


def shape_of(query: str) -> Shape | None:
    """Return what a query asks for; None if it is one of the user's own."""
    if len(query) > _LONGEST:
        return None
    zero = _OR_ZERO.match(query)
    try:
        reader = _Reader(list(_tokens(query if zero is None else zero["rest"])))
        shape = reader.sum(0)
    except _NotUnderstoodError:
        return None
    understood = reader.done and bool(shape.names) and shape.by <= {"le"}
    return shape._replace(or_zero=zero is not None) if understood else None


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _NotUnderstoodError
        yield match.lastgroup, match[match.lastgroup]
        place = match.end()


class _Reader:
    """Reads one expression from its tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self._place == len(self._tokens)

    def sum(self, depth: int) -> Shape:
        """Return products that are added."""
        if depth > _DEEPEST:
            raise _NotUnderstoodError
        left = self._product(depth)
        while self._take("+"):
            left = _added(left, self._product(depth))
        return left

    def _product(self, depth: int) -> Shape:
        left = self._single(depth)
        while (sign := self._peek()[1]) in ("*", "/"):
            self._place += 1
            right = self._single(depth)
            if sign == "*" and not left.names:
                left, right = right, left
            if right.names or not right.factor:
                raise _NotUnderstoodError
            factor = right.factor if sign == "*" else 1.0 / right.factor
            left = left._replace(factor=left.factor * factor)
        return left

    def _single(self, depth: int) -> Shape:
        kind, text = self._next()
        if kind == "number":
            return Shape(frozenset(), factor=float(text))
        if text == "(":
            inner = self.sum(depth + 1)
            self._expect(")")
            return inner
        if text == "{":
            self._place -= 1
            text = ""
        elif kind != "word":
            raise _NotUnderstoodError
        return self._named(text, depth)

    def _named(self, text: str, depth: int) -> Shape:
        """Return what begins with a word: a function, or a selector; without one, a selector by `__name__`."""
        if text in _OVER:
            return self._aggregated(_OVER[text], depth)
        if text in _RATES and self._peek()[1] == "(":
            return self._rated()
        if text == "histogram_quantile":
            return self._quantile(depth)
        return self._selector(text)

    def _aggregated(self, over: str, depth: int) -> Shape:
        by = self._by()
        self._expect("(")
        inner = self.sum(depth + 1)
        self._expect(")")
        by |= self._by()
        if not inner.names or inner.quantile is not None or inner.over not in ("", over) or inner.factor != 1.0:
            raise _NotUnderstoodError
        if inner.over and over == "mean":
            raise _NotUnderstoodError
        return inner._replace(over=over, by=by)

    def _by(self) -> frozenset[str]:
        labels: set[str] = set()
        if self._take("by"):
            self._expect("(")
            while not self._take(")"):
                labels.add(self._word())
                self._take(",")
        return frozenset(labels)

    def _rated(self) -> Shape:
        self._expect("(")
        kind, text = self._next()
        if kind != "word":
            raise _NotUnderstoodError
        inner = self._selector(text)
        if self._next()[0] != "range":
            raise _NotUnderstoodError
        self._expect(")")
        return inner._replace(form=Form.RATE)

    def _quantile(self, depth: int) -> Shape:
        self._expect("(")
        kind, text = self._next()
        if kind != "number" or not 0.0 < float(text) < 1.0:
            raise _NotUnderstoodError
        self._expect(",")
        inner = self.sum(depth + 1)
        self._expect(")")
        is_one = len(inner.names) == 1 and inner.form is Form.RATE and inner.factor == 1.0 and inner.quantile is None
        if not is_one or (inner.over == "sum") is not (inner.by == {"le"}) or inner.over not in ("", "sum"):
            raise _NotUnderstoodError
        return inner._replace(form=Form.BUCKETS, quantile=float(text), over="", by=frozenset())

    def _selector(self, name: str) -> Shape:
        matchers: list[Matcher] = []
        if self._take("{"):
            while not self._take("}"):
                label, sign = self._word(), self._next()[1]
                kind, text = self._next()
                if sign not in ("=", "!=", "=~", "!~") or kind != "text":
                    raise _NotUnderstoodError
                matchers.append(Matcher(label, sign, text[1:-1]))
                self._take(",")
        named = [matcher for matcher in matchers if matcher.label == "__name__"]
        if [matcher.sign for matcher in named] not in (["="], []) or bool(named) is bool(name):
            raise _NotUnderstoodError
        others = tuple(matcher for matcher in matchers if matcher.label != "__name__")
        return Shape(frozenset({name or named[0].value}), matchers=others)

    def _peek(self) -> tuple[str, str]:
        return ("", "") if self.done else self._tokens[self._place]

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._place += 1
        return token

    def _take(self, text: str) -> bool:
        taken = self._peek()[1] == text
        self._place += taken
        return taken

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise _NotUnderstoodError

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise _NotUnderstoodError
        return text


def _added(left: Shape, right: Shape) -> Shape:
    """Return the sum of two that are alike in all but their metrics."""
    alike = left._replace(names=right.names, matchers=right.matchers) == right
    additive = left.over in ("", "sum") and left.quantile is None and left.factor == 1.0 and not left.by
    if not alike or not additive or not left.names or left.names & right.names:
        raise _NotUnderstoodError
    matchers = tuple(dict.fromkeys((*left.matchers, *right.matchers)))
    return left._replace(names=left.names | right.names, matchers=matchers)
