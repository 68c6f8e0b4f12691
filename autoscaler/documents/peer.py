"""PeerPolicy: somebody else's autoscaler and its parameters, for the simulator; the daemon never runs one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import Field, PlainValidator, SerializeAsAny, ValidationInfo, WithJsonSchema

from autoscaler.documents.base import Document, DocumentModel
from autoscaler.peers.base import PeerModel
from autoscaler.peers.registry import KINDS

PeerName = Literal[
    "hpa", "keda", "knative", "rayServe", "huggingFace", "aibrix", "queueSteps", "latencyDoubling", "fixed"
]


def _parameters(value: Any, info: ValidationInfo) -> PeerModel | None:  # noqa: ANN401 - whatever the file holds
    """Return the parameters of the peer that stands beside them; None where that is wrong, which is told already."""
    if isinstance(value, PeerModel):
        return value
    peer = info.data.get("peer")
    return None if peer is None else KINDS[peer].model_validate(value or {}, by_name=False)


ParametersItem = Annotated[
    SerializeAsAny[PeerModel],
    PlainValidator(_parameters),
    WithJsonSchema(
        {
            "type": "object",
            "description": "The peer's own, in camelCase; what is left out has upstream's default.",
            "x-kubernetes-preserve-unknown-fields": True,
        }
    ),
]


class PeerPolicySpec(DocumentModel):
    """Which peer, and how it is set."""

    peer: PeerName
    """The autoscaler that is imitated."""
    parameters: ParametersItem = cast("ParametersItem", Field(default={}, validate_default=True))
    """The peer's own, in camelCase; what is left out has upstream's default, and the scenario's bounds."""


class PeerPolicy(Document):
    """An autoscaler of the field, as `autoscaler simulate --policy` runs it beside ours."""

    kind: Literal["PeerPolicy"] = "PeerPolicy"
    spec: PeerPolicySpec
