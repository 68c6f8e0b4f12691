"""What a cluster tells of one target: plain values, without any client library."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.observation import Replica


class TargetRef(NamedTuple):
    """What is scaled: an object with a scale subresource."""

    namespace: str
    name: str
    api_version: str = "apps/v1"
    kind: str = "Deployment"

    @property
    def key(self) -> str:
        """`namespace/name`, as everywhere else."""
        return f"{self.namespace}/{self.name}"


class TargetFacts(NamedTuple):
    """One target as it was read: counts and pods, nothing judged."""

    target: str
    """`namespace/name`."""
    spec_replicas: int
    """The count that the target asks for."""
    resource_version: str
    replicas: tuple[Replica, ...]
    """Every pod that the target owns, the terminating ones too."""
    addresses: Mapping[str, str]
    """The pods' addresses, by pod name; a pod without one yet is not in it."""
    deployment_paused: bool = False
    annotations: Mapping[str, str] = MappingProxyType({})
    replicas_quality: Quality = Quality.OK
    """`error` when the pods could not be listed; `replicas` is then empty."""
    other_writers: tuple[str, ...] = ()
    """HPAs and ScaledObjects on the same target, as `Kind/name`."""
    detail: str = ""
    """Why something could not be read, for a person; empty when all could."""
    ref: TargetRef = TargetRef("", "")
    uid: str = ""
    nodes: Mapping[str, str] = MappingProxyType({})
    """The nodes' names, by pod name; a pod without one yet is not in it."""
