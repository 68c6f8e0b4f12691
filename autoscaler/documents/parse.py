"""From a file's bytes to plain values, each with the line it came from.

Whatever a file holds, the answer is values or a DocumentError.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from autoscaler.documents.wording import shown
from autoscaler.errors import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SIZE_LIMIT_BYTES = 1 << 20
"""A ConfigMap holds no more."""
# what PyYAML's constructors let through for values such as `!!bool x`, `!!int ""` or a thousand open brackets
_GARBAGE = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without dates: nothing here is one, and `2026-13-01` must stay the text that it is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name that PyYAML looks for
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Origin(NamedTuple):
    """Where a document stands."""

    path: str
    number: int = 0
    """Which of the file's documents, from 1; 0 where it holds one only."""
    node: yaml.Node | None = None

    def at(self, location: Sequence[str | int] = ()) -> str:
        """Return `file:line` of a place inside the document, or of the nearest place around it that exists."""
        line = f":{_line(self.node, location)}" if self.node is not None else ""
        return f"{self.path}{line}" + (f" (document {self.number})" if self.number else "")


class Raw(NamedTuple):
    """One document as it stands in a file."""

    value: Any
    origin: Origin


def read(path: Path) -> tuple[Raw, ...]:
    """Return the documents of a YAML or JSON file; empty ones are left out.

    Raises:
        DocumentError: the file cannot be read, is no YAML or JSON, or has a key twice.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise DocumentError(Problem(str(path), "", "", f"cannot be read: {error.strerror}")) from error
    if len(content) > SIZE_LIMIT_BYTES:
        raise DocumentError(Problem(str(path), "", "", f"must be at most {SIZE_LIMIT_BYTES} bytes"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Problem(str(path), "", "", f"must be UTF-8 text, and byte {error.start} is not")
        raise DocumentError(problem) from error
    return parse(text, str(path))


def parse(text: str, path: str) -> tuple[Raw, ...]:
    """Return the documents of a text; `path` says where it came from, and by its ending whether it is JSON.

    Raises:
        DocumentError: the text is no YAML or JSON, or has a key twice.
    """
    try:
        found = _json(text, path) if path.lower().endswith(".json") else _yaml(text, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise DocumentError(Problem(where, "", "", f"must be YAML: {error.problem or error.context}")) from error
    except _GARBAGE as error:
        word = "JSON" if path.lower().endswith(".json") else "YAML"
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DocumentError(Problem(path, "", "", f"must be {word}: {first}")) from error
    present = tuple(raw for raw in found if raw.value is not None)
    if len(present) > 1:
        return present
    return tuple(Raw(raw.value, raw.origin._replace(number=0)) for raw in present)


def _json(text: str, path: str) -> list[Raw]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in items]
        twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        if twice:
            raise DocumentError(Problem(path, "", "", f"the key {shown(twice[0])} stands twice in one object"))
        return dict(items)

    def constant(word: str) -> float:
        raise DocumentError(Problem(path, "", word, "numbers must be finite"))

    return [Raw(json.loads(text, object_pairs_hook=pairs, parse_constant=constant), Origin(path))]


def _yaml(text: str, path: str) -> list[Raw]:
    loader = _Loader(text)
    found: list[Raw] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            origin = Origin(path, len(found) + 1, node)
            _refuse_twice(node, origin)
            found.append(Raw(loader.construct_document(node), origin))
    finally:
        loader.dispose()
    return found


def _refuse_twice(root: yaml.Node, origin: Origin) -> None:
    """Raise for a key that stands twice in one mapping: YAML would silently take the last one."""
    problems = []
    for mapping in _mappings(root):
        seen: set[str] = set()
        for key, _ in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen and key.value != "<<":
                where = f"{origin.path}:{key.start_mark.line + 1}"
                problems.append(Problem(where, "", "", f"the key {shown(key.value)} stands twice in one mapping"))
            seen.add(key.value)
    if problems:
        raise DocumentError(*problems)


def _mappings(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Yield every mapping once, however often aliases point to it, and without recursion."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            for key, value in node.value:
                stack += (key, value)
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value


def _line(node: yaml.Node, location: Sequence[str | int]) -> int:
    line = node.start_mark.line + 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if getattr(pair[0], "value", None) == step), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return int(line)
