"""Where a parameter stands in a document: `rules.capacity.spareReplicas`, from a person's words to keys and numbers."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from autoscaler.documents.wording import close_match, listed
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Step = str | int
Path = tuple[Step, ...]
"""Keys of mappings and numbers of lists, from the root of a policy's own part."""

_BRACKETS = re.compile(r"\[(\d+)\]")
_RULES = "rules"


def resolve(text: str, root: dict[str, Any]) -> Path:
    """Return the path that a text names below `root`; it need not be there yet, except for items of lists.

    An item of a list is named by its `name`, its `type` or its number from 0. A path that begins with the name of a
    rule begins at that rule.

    Raises:
        UsageError: it goes through something that is not there or has no parts, or two items have the name.
    """
    words = _BRACKETS.sub(r".\1", text).split(".")
    if not all(words):
        raise UsageError(f"{text!r}: must be keys with dots in between, such as rules.capacity.spareReplicas")
    rules = root.get(_RULES)
    if words[0] not in root and isinstance(rules, list) and words[0] in _names(rules):
        words = [_RULES, *words]
    path: list[Step] = []
    here: Any = root
    for word in words:
        if isinstance(here, list):
            place = _item(text, here, word)
            path.append(place)
            here = here[place]
        elif isinstance(here, dict) or here is None:
            path.append(word)
            here = None if here is None else here.get(word)
        else:
            raise UsageError(f"{text!r}: {said(tuple(path))} is {here!r}, which has no {word!r}")
    if isinstance(here, dict | list):
        raise UsageError(f"{text!r}: must name one value, and {said(tuple(path))} holds several")
    return tuple(path)


def _names(items: list[Any]) -> list[str]:
    """Return how each item may be called: its name, else its type."""
    return [str(item.get("name") or item.get("type") or "") for item in items if isinstance(item, dict)]


def _item(text: str, items: list[Any], word: str) -> int:
    if word.isascii() and word.isdigit():
        if int(word) < len(items):
            return int(word)
        raise UsageError(f"{text!r}: there is no item {word}: they count from 0 to {len(items) - 1}")
    names = _names(items)
    if names.count(word) > 1:
        raise UsageError(f"{text!r}: {names.count(word)} items are called {word}: name one by its number, from 0")
    if word not in names:
        raise UsageError(f"{text!r}: must name one of {listed(filter(None, names))}{close_match(word, names)}")
    return names.index(word)


def said(path: Path) -> str:
    """Return a path as messages have it: `rules[0].spareReplicas`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def found(root: Any, path: Path) -> Any:  # noqa: ANN401 - whatever the document holds
    """Return the value at a path; None where there is none."""
    for step in path:
        if isinstance(root, dict):
            root = root.get(step)
        elif isinstance(root, list) and isinstance(step, int):
            root = root[step]
        else:
            return None
    return root


def replaced(root: Any, path: Path, value: Any) -> Any:  # noqa: ANN401 - whatever the document holds
    """Return a copy of `root` with `value` at a path; mappings on the way are made.

    What was a text becomes one again: Kubernetes writes quantities, and KEDA everything, in quotation marks.
    """
    if not path:
        return str(value) if isinstance(root, str) else value
    copied = copy.copy({} if root is None else root)
    step, rest = path[0], path[1:]
    before = copied.get(step) if isinstance(copied, dict) else copied[step]
    copied[step] = replaced(before, rest, value)
    return copied


def numbers(root: Any, path: Path = ()) -> Iterator[tuple[Path, float | int]]:  # noqa: ANN401 - as above
    """Yield every number of a document with its path, in order."""
    if isinstance(root, dict):
        for key, value in root.items():
            yield from numbers(value, (*path, key))
    elif isinstance(root, list):
        for place, value in enumerate(root):
            yield from numbers(value, (*path, place))
    elif isinstance(root, int | float) and not isinstance(root, bool):
        yield path, root
