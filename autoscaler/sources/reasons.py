"""Why a request failed, in few words and without what nobody may read."""

from __future__ import annotations

import re

_QUOTED_CHARACTERS = 200
"""How much of a foreign text an error repeats."""


def brief(text: object) -> str:
    """Return the words of a foreign text, without tags and not many of them."""
    words = " ".join(re.sub(r"<[^>]*>", " ", str(text)).split())
    return words if len(words) <= _QUOTED_CHARACTERS else f"{words[:_QUOTED_CHARACTERS]}…"


def innermost(error: BaseException) -> str:
    """Return the root of a failed connection: the outer layers repeat the address, and with it the whole query."""
    root: BaseException = error
    for _ in range(16):
        if (cause := _cause(root)) is None:
            break
        root = cause
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    return f"{type(root).__name__}: {brief(root)}"


def _cause(error: BaseException) -> BaseException | None:
    for candidate in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(candidate, BaseException) and candidate is not error:
            return candidate
    return None
