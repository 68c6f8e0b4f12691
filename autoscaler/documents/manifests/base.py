"""What every foreign manifest is made of: fields that are known, and a list of those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from autoscaler.documents.base import EmptyIfNull, NamespaceName, ResourceName
from autoscaler.documents.behavior import Quantity
from autoscaler.documents.problems import key_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUANTITY: TypeAdapter[float] = TypeAdapter(Quantity)
_SUFFIXES = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "T": 1e12, "P": 1e15}
Location = tuple[str | int, ...]


def _amount(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    suffix = next((word for word in _SUFFIXES if isinstance(value, str) and value.endswith(word)), "")
    return _QUANTITY.validate_python(value.removesuffix(suffix) if suffix else value) * _SUFFIXES.get(suffix, 1.0)


Amount = Annotated[float, BeforeValidator(_amount)]
"""A Kubernetes quantity, bytes too: 10, "500m", "2Gi"."""
Words = dict[str, str]


class Note(NamedTuple):
    """One thing that is not as it was."""

    place: str
    """The key path in the manifest; empty for the whole of it."""
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class ManifestModel(BaseModel):
    """A part of a manifest: what the API server would default is defaulted, unknown fields are kept to be told."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)


class ManifestMetadata(ManifestModel):
    """What is carried over of `metadata`; the rest is the API server's."""

    name: ResourceName
    namespace: NamespaceName = "default"
    labels: Annotated[Words, EmptyIfNull] = Field(default={})
    annotations: Annotated[Words, EmptyIfNull] = Field(default={})


class TargetRef(ManifestModel):
    """`scaleTargetRef` of either kind."""

    api_version: str = "apps/v1"
    kind: str = "Deployment"
    name: ResourceName


def unknown_fields(model: BaseModel, location: Location = ()) -> Iterator[Note]:
    """Yield a note for each field, at any depth, that no part of the manifest's model knows."""
    for name in model.model_extra or ():
        yield Note(key_path((*location, name)), "not carried over: an unknown field")
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        place = (*location, field.alias or name)
        for step, item in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            if isinstance(item, BaseModel):
                yield from unknown_fields(item, place if step is None else (*place, step))
