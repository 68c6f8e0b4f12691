"""From pydantic's errors to problems that name file, line, key path, value and what is allowed."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from autoscaler.documents.base import KEY_PATTERN
from autoscaler.documents.wording import close_match, shown
from autoscaler.errors import Problem
from autoscaler.peers.base import PeerModel
from autoscaler.peers.registry import KINDS as PEERS
from autoscaler.rules.base import RuleModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from autoscaler.documents.parse import Origin

Location = tuple[str | int, ...]


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    raw: object,
    origin: Origin,
    registry: Mapping[str, type[RuleModel]],
) -> tuple[Problem, ...]:
    """Return one problem for every fault that pydantic found in `raw`, a document of kind `model`."""
    found = []
    for details in error.errors(include_url=False, include_context=False):
        if details["type"] == "too_short" and details["input"]:
            # only because its items are wrong, which is told already
            continue
        location = tuple(step for step in details["loc"] if step != "[key]")
        allowed, value = _say(details, _fields(model, location[:-1], raw, registry))
        found.append(Problem(origin.at(location), key_path(location), value, allowed))
    return tuple(found)


def problem_at(origin: Origin, location: Location, value: object, allowed: str) -> Problem:
    """Return the problem of a value where it stands in its document; None for one that is not there."""
    return Problem(origin.at(location), key_path(location), "" if value is None else shown(value), allowed)


def key_path(location: Sequence[str | int]) -> str:
    """Return `spec.rules[2].targetPerReplica`."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.replace("-", "").replace("_", "").isalnum():
            path += f".{step}" if path else step
        else:
            path += f"[{shown(step)}]"
    return path


def _say(details: ErrorDetails, fields: tuple[str, ...]) -> tuple[str, str]:
    """Return what is allowed, and what was found."""
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return "is required", ""
    if kind == "extra_forbidden":
        unknown = str(details["loc"][-1])
        known = f"unknown field; known here: {', '.join(fields)}" if fields else "unknown field"
        return known + close_match(unknown, fields), ""
    if kind == "value_error":
        # these speak of several fields at once, and name the values that matter themselves
        return details["msg"].removeprefix("Value error, "), "" if isinstance(value, dict | BaseModel) else shown(value)
    if kind in ("enum", "literal_error"):
        return _sentence(details["msg"]) + _near_choice(details), shown(value)
    if kind == "string_pattern_mismatch":
        return _SIGNAL_NAME if KEY_PATTERN in details["msg"] else _RESOURCE_NAME, shown(value)
    return _PLAIN.get(kind, _sentence(details["msg"])), shown(value)


_PLAIN = {"model_type": "must be a mapping", "too_short": "must have at least 1 item"}
_RESOURCE_NAME = "must be a Kubernetes name: lower case letters, digits, `-` and `.`"
_SIGNAL_NAME = "must be the name of a signal, such as gatewayRequests or timeToFirstToken:0.99"


def _near_choice(details: ErrorDetails) -> str:
    choices = [word.strip("' ") for word in details["msg"].replace(" or ", ", ").split("be ", 1)[-1].split(",")]
    return close_match(details["input"], choices)


def _sentence(message: str) -> str:
    for ours, theirs in (("must be", "Input should be"), ("must have", "Input should have"), ("must", "Input should")):
        if message.startswith(theirs):
            return ours + message[len(theirs) :]
    return message[:1].lower() + message[1:]


def _fields(
    model: type[BaseModel], location: Location, raw: object, registry: Mapping[str, type[RuleModel]]
) -> tuple[str, ...]:
    """Return the names that the fields of the model at `location` have in a document."""
    current: type[BaseModel] | None = model
    annotation: Any = None
    for step in location:
        around, raw = raw, _inside(raw, step)
        if annotation is not None:
            current, annotation = _model_in(annotation), None
        elif current is not None and isinstance(step, str):
            field = next((f for name, f in current.model_fields.items() if step in (f.alias, name)), None)
            annotation = None if field is None else field.annotation
            current = None if field is None else _model_in(annotation)
            if not _is_collection(annotation):
                annotation = None
        if current is RuleModel:
            kind = raw.get("type") if isinstance(raw, dict) else None
            found = registry.get(kind) if isinstance(kind, str) else None
            current = found or RuleModel
        elif current is PeerModel:
            peer = around.get("peer") if isinstance(around, dict) else None
            current = PEERS.get(peer, PeerModel) if isinstance(peer, str) else PeerModel
    return tuple(f.alias or name for name, f in current.model_fields.items()) if current is not None else ()


def _inside(raw: object, step: str | int) -> object:
    if isinstance(raw, dict):
        return raw.get(step)
    if isinstance(raw, list) and isinstance(step, int) and step < len(raw):
        return raw[step]
    return None


def _is_collection(annotation: Any) -> bool:  # noqa: ANN401 - annotations have no common type
    """Return whether a place inside takes one more step: an index or a key."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return any(_is_collection(part) for part in typing.get_args(annotation))
    return origin in (tuple, list, dict)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - annotations have no common type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
