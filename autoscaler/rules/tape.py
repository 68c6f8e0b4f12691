"""A day of quarter-minutes as one short text: what demand needed, and what the policy asked for.

Three characters a bin, 17 KB a day: rules' memories are journaled. Needs are kept to 0.8 % between a hundredth of a
replica and ten thousand, counts exactly below 300 and to 0.4 % above.
"""

from __future__ import annotations

import math
from typing import NamedTuple

BIN_SECONDS = 15.0
MOST_BINS = 5760
_ALPHABET = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\&<>')
"""Ninety characters that JSON leaves as they are."""
_BASE = len(_ALPHABET)
_WIDTH = 3
_NEEDS, _COUNTS = 900, 810
"""Levels; every word of three characters is one of each, for 900 * 810 is 90 * 90 * 90."""
_LEAST_NEED, _NEED_RATIO = 0.01, 1e6 ** (1.0 / 898.0)
_EXACT, _COUNT_RATIO = 300, 1.0077


class Bin(NamedTuple):
    """A quarter of a minute."""

    need: float
    """Replicas that demand filled to what the objective allows, as a mean."""
    asked: int
    """Replicas that the policy asked for."""


def write(text: str, one: Bin, times: int = 1) -> str:
    """Return the tape with a bin, or several like it, at its end; a full one loses as many at its beginning."""
    code = _need_level(one.need) * _COUNTS + _count_level(one.asked)
    high, low = divmod(code, _BASE)
    word = _ALPHABET[high // _BASE] + _ALPHABET[high % _BASE] + _ALPHABET[low]
    return (text + word * min(times, MOST_BINS))[-MOST_BINS * _WIDTH :]


def read(text: str) -> tuple[list[float], list[int]]:
    """Return needs and counts, the oldest first.

    Raises:
        ValueError: the text is none that `write` made.
    """
    if len(text) % _WIDTH or not _KNOWN.issuperset(text):
        raise ValueError("not a tape")
    high, middle, low = ([_DIGITS[sign] for sign in text[place::_WIDTH]] for place in range(_WIDTH))
    codes = [(a * _BASE + b) * _BASE + c for a, b, c in zip(high, middle, low, strict=True)]
    return [_NEED_OF[code // _COUNTS] for code in codes], [_COUNT_OF[code % _COUNTS] for code in codes]


def bins(text: str) -> int:
    """Return how many bins the tape holds."""
    return len(text) // _WIDTH


def _need_level(need: float) -> int:
    if need < _LEAST_NEED:
        return 0
    return min(_NEEDS - 1, 1 + round(math.log(need / _LEAST_NEED) / math.log(_NEED_RATIO)))


def _count_level(count: int) -> int:
    if count < _EXACT:
        return max(0, count)
    return min(_COUNTS - 1, _EXACT + round(math.log(count / _EXACT) / math.log(_COUNT_RATIO)))


_DIGITS = {sign: place for place, sign in enumerate(_ALPHABET)}
_KNOWN = frozenset(_ALPHABET)
_NEED_OF = (0.0, *(_LEAST_NEED * _NEED_RATIO**step for step in range(_NEEDS - 1)))
_COUNT_OF = (*range(_EXACT), *(round(_EXACT * _COUNT_RATIO**step) for step in range(_COUNTS - _EXACT)))
