"""How messages name what is allowed, and show what was found."""

from __future__ import annotations

import difflib
import reprlib
from typing import TYPE_CHECKING

from autoscaler.errors import HINT

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxlong = 2, 3, 3, 40


def listed(words: Iterable[str]) -> str:
    """Return the words as a list for a sentence, sorted."""
    return ", ".join(sorted(words))


def close_match(word: object, words: Iterable[str]) -> str:
    """Return `; did you mean x?` where one of the words is near; else nothing."""
    if not isinstance(word, str):
        return ""
    by_fold = {candidate.replace("_", "").lower(): candidate for candidate in words}
    near = difflib.get_close_matches(word.replace("_", "").lower(), by_fold, n=1, cutoff=0.6)
    return f"{HINT}{by_fold[near[0]]}?" if near else ""


def shown(value: object) -> str:
    """Return a value as it may stand in a message: short, on one line, and never failing."""
    try:
        return _SHORT.repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; a structure that holds itself
        return f"a {type(value).__name__}"
