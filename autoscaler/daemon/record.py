"""Observations and decisions as JSON values, and back, bit for bit.

A named tuple is an object without the fields that have their default; numbers keep every bit, as JSON text written by
Python does.
"""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from typing import TYPE_CHECKING, Any

from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import Fleet
from autoscaler.engine.observation import Observation, Quality, Replica, Signal
from autoscaler.engine.proposal import Kind, Notice, Proposal

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any
"""Whatever `json.dumps` writes as it is."""


def plain(value: object) -> Json:
    """Return the value as plain JSON values.

    Named tuples, dataclasses, pydantic models, enums, mappings and sequences are taken apart; anything else becomes
    its `repr`, for people to read.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return _plain_fields(value) if hasattr(value, "_fields") else [plain(item) for item in value]
    return _plain_object(value)


def _plain_object(value: Any) -> Json:  # noqa: ANN401 - whatever a spec holds
    if hasattr(value, "model_dump"):
        return {"rule": type(value).__name__, **value.model_dump(mode="json", by_alias=True)}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    return repr(value)


def _plain_fields(value: Any) -> dict[str, Json]:  # noqa: ANN401 - no type says "any named tuple"
    defaults = value._field_defaults
    return {
        name: plain(field)
        for name, field in zip(value._fields, value, strict=True)
        if name not in defaults or not _same(field, defaults[name])
    }


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and repr(value) == repr(default)


def text(value: Json) -> str:
    """Return JSON values as one line of text; equal values give equal lines."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def observation_from(fields: Mapping[str, Json]) -> Observation:
    """Return the observation that `plain` took apart.

    Raises:
        TypeError: a field is unknown or missing.
        ValueError: a word is not one of its set.
    """
    return Observation(
        **{
            **fields,
            "replicas": tuple(Replica(**replica) for replica in fields["replicas"]),
            "signals": {
                key: Signal(**{**signal, "quality": Quality(signal["quality"])})
                for key, signal in fields["signals"].items()
            },
            "replicas_quality": Quality(fields.get("replicas_quality", Quality.OK)),
            "other_writers": tuple(fields.get("other_writers", ())),
        }
    )


def decision_from(fields: Mapping[str, Json]) -> Decision:
    """Return the decision that `plain` took apart.

    Raises:
        TypeError: a field is unknown or missing.
        ValueError: a word is not one of its set.
    """
    return Decision(
        **{
            **fields,
            "reason": Reason(fields["reason"]),
            "trail": tuple(Stage(**stage) for stage in fields["trail"]),
            "proposals": tuple((name, _proposal_from(proposal)) for name, proposal in fields["proposals"]),
            "fleet": Fleet(**fields["fleet"]),
            "notices": _notices_from(fields),
        }
    )


def _proposal_from(fields: Mapping[str, Json]) -> Proposal:
    figures = tuple((name, value) for name, value in fields.get("figures", ()))
    return Proposal(**{**fields, "kind": Kind(fields["kind"]), "notices": _notices_from(fields), "figures": figures})


def _notices_from(fields: Mapping[str, Json]) -> tuple[Notice, ...]:
    return tuple(Notice(**notice) for notice in fields.get("notices", ()))
