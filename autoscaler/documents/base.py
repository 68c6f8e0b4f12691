"""What every document is made of: apiVersion, kind, metadata, and fields in camelCase of which none is unknown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from autoscaler.quantities import FROZEN, Count, NotNegative, Positive, Replicas

__all__ = ["NotNegative", "Positive", "Replicas"]

GROUP = "autoscaler.inference.dev"
API_VERSION = "autoscaler.inference.dev/v1alpha1"
KEY_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*(:0?\.[0-9]+)?$"
"""A signal's name, or a request's key such as `timeToFirstToken:0.99`."""

ResourceName = Annotated[
    str, Field(strict=True, min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
"""A Kubernetes name: lower case letters, digits, `-` and `.`."""
NamespaceName = Annotated[
    str, Field(strict=True, min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
Seconds = NotNegative
PositiveInt = Count
Text = Annotated[str, Field(strict=True)]


def _none_is_empty(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return {} if value is None else value


EmptyIfNull = BeforeValidator(_none_is_empty)
"""`behavior:` with nothing after it means `behavior: {}`, as for the API server."""


class DocumentModel(BaseModel):
    """A part of a document: frozen, camelCase, unknown fields refused."""

    model_config = FROZEN


class Metadata(DocumentModel):
    """Name, and for an InferenceAutoscaler the namespace of its target."""

    name: ResourceName
    """Unique among documents of one kind, for an InferenceAutoscaler within its namespace."""
    namespace: NamespaceName = "default"
    """Where the target of an InferenceAutoscaler is; nothing to other kinds."""
    labels: dict[Text, Text] = {}
    """For your own use."""
    annotations: dict[Text, Text] = {}
    """For your own use."""


class Document(DocumentModel):
    """The frame of every document."""

    api_version: Literal["autoscaler.inference.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    metadata: Metadata
