"""What may vary: `PATH=1,2,3` lists values, `PATH=1..10` is a range, `PATH=1..10:log` one to be searched by factors."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.errors import UsageError
from autoscaler.experiments.tuning.paths import Path, resolve, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = float | int | str | bool
Setting = tuple[Value, ...]
"""A value for each thing that varies, in their order."""

_RANGE = re.compile(r"(?P<low>[^.,:]+(?:\.\d[^.,:]*)?)\.\.(?P<high>[^,:]+)(?::(?P<scale>\w+))?")
_EXAMPLE = "must be PATH=VALUE,VALUE,... or PATH=LOW..HIGH, with :log after it to search by factors"


class Range(NamedTuple):
    """Every value from low to high; whole ones where both ends are."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return self._asdict()


class Varied(NamedTuple):
    """One parameter, and what it may be."""

    path: Path
    domain: tuple[Value, ...] | Range

    @property
    def name(self) -> str:
        """The path as messages have it."""
        return said(self.path)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        domain = self.domain.to_json() if isinstance(self.domain, Range) else {"values": list(self.domain)}
        return {"path": self.name, **domain}


def read_varied(texts: Sequence[str], root: dict[str, Any]) -> tuple[Varied, ...]:
    """Return what the command line's words mean for a document.

    Raises:
        UsageError: one is no such word, or names what cannot be there; or two name the same parameter.
    """
    varied = tuple(_one(text, root) for text in texts)
    for one, other in itertools.combinations(varied, 2):
        if one.path == other.path:
            raise UsageError(f"--vary: {one.name} is named twice")
    return varied


def _one(text: str, root: dict[str, Any]) -> Varied:
    name, equals, rest = text.partition("=")
    if not equals or not name or not rest:
        raise UsageError(f"--vary {text!r}: {_EXAMPLE}")
    try:
        path = resolve(name, root)
    except UsageError as error:
        raise UsageError(f"--vary {error}") from error
    between = _RANGE.fullmatch(rest)
    if between is not None:
        return Varied(path, _range(text, between["low"], between["high"], between["scale"]))
    values = tuple(_value(text, word) for word in rest.split(","))
    if len(set(values)) < len(values):
        raise UsageError(f"--vary {text!r}: a value is there twice")
    return Varied(path, values)


def _value(text: str, word: str) -> Value:
    """Return a word as a truth value, a whole number, a number, or itself."""
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            value = kind(word)
        except ValueError:
            continue
        if not math.isfinite(value):
            break
        return value
    else:
        if word:
            return word
    raise UsageError(f"--vary {text!r}: {word!r} is no value: {_EXAMPLE}")


def _range(text: str, low_word: str, high_word: str, scale: str | None) -> Range:
    low, high = _value(text, low_word), _value(text, high_word)
    if isinstance(low, str | bool) or isinstance(high, str | bool):
        raise UsageError(f"--vary {text!r}: the ends of a range must be numbers")
    if not low < high:
        raise UsageError(f"--vary {text!r}: must go up, from {low:g} to more")
    if scale not in (None, "log"):
        raise UsageError(f"--vary {text!r}: must end in :log, or in nothing (found {scale!r})")
    if scale and low <= 0:
        raise UsageError(f"--vary {text!r}: factors need a range above 0")
    return Range(low, high, scale is not None)


def grid(varied: Sequence[Varied], most: int) -> tuple[Setting, ...] | None:
    """Return every combination, or None where that is not to be tried: a range, or several long lists.

    One or two lists are always tried whole, more of them where that makes no more than `most` settings.
    """
    lists = [one.domain for one in varied if not isinstance(one.domain, Range)]
    if len(lists) < len(varied) or (len(lists) > 2 and math.prod(map(len, lists)) > most):
        return None
    return tuple(itertools.product(*lists))


def shifted(varied: Sequence[Varied], setting: Setting, share: float) -> Iterator[Setting]:
    """Yield the setting with each of its numbers moved up and down by a share of itself; whole ones stay whole."""
    for place, (one, value) in enumerate(zip(varied, setting, strict=True)):
        if isinstance(value, str | bool):
            continue
        for factor in (1.0 - share, 1.0 + share):
            moved = value * factor
            whole = isinstance(value, int) and not (isinstance(one.domain, Range) and not one.domain.whole)
            near: Value = round(moved) if whole else moved
            if near != value:
                yield (*setting[:place], near, *setting[place + 1 :])
