"""The numbers and words that people write into documents, rules and peers, each with what is allowed."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from autoscaler.cron import parse_cron

_LARGEST = 2**31 - 1
"""Kubernetes keeps a count in 32 bits."""

FROZEN = ConfigDict(
    frozen=True,
    extra="forbid",
    alias_generator=to_camel,
    validate_by_name=True,
    validate_by_alias=True,
    use_attribute_docstrings=True,
)
"""Of a model that people write: camelCase, unknown fields refused, nothing changed after it was read."""

Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
"""A number above 0; a text, a truth value, NaN or infinity is refused."""
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1, le=_LARGEST)]
"""A whole number of replicas, at least 1."""
Replicas = Annotated[int, Field(strict=True, ge=0, le=_LARGEST)]
"""A whole number of replicas, from 0."""
Name = Annotated[str, Field(strict=True, min_length=1, max_length=63)]


def _cron(text: str) -> str:
    parse_cron(text)
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be the name of a time zone, such as UTC or Europe/Berlin") from error
    return name


CronText = Annotated[str, Field(strict=True, max_length=200), AfterValidator(_cron)]
"""A cron expression of five fields."""
ZoneName = Annotated[str, Field(strict=True, min_length=1, max_length=64), AfterValidator(_zone)]
"""The name of a time zone of the IANA database."""
