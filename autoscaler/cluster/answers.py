"""From the API server's JSON to facts: pure, and told by owner references, never by names."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.engine.fleet import UNSCHEDULABLE
from autoscaler.engine.observation import Replica

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Json = dict[str, Any]

_ORDINARY_WAITS = frozenset({"ContainerCreating", "PodInitializing"})
_SCALED_OBJECT_LABEL = "scaledobject.keda.sh/name"
"""KEDA marks the HPA that it keeps for a ScaledObject with it."""


class Pod(NamedTuple):
    """One pod, and what owns it."""

    owner: str
    """The uid of its controller; empty without one."""
    address: str
    """Empty until it has one."""
    node: str
    """Empty until it is bound to one."""
    replica: Replica


class Deployment(NamedTuple):
    """One Deployment."""

    uid: str
    replicas: int
    resource_version: str
    paused: bool
    annotations: Mapping[str, str]


class Writer(NamedTuple):
    """Something else that writes counts, and whose."""

    name: str
    """`Kind/name`."""
    target_kind: str
    target_name: str


def items(answer: Json) -> list[Json]:
    """Return the objects of a list; the API writes an empty one as null.

    Raises:
        TypeError: there is no list.
    """
    found = answer["items"] or []
    if not isinstance(found, list):
        raise TypeError(f"items: expected a list, found {type(found).__name__}")
    return found


def controller_of(metadata: Json) -> str:
    """Return the uid of the owner that controls the object; empty without one."""
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return ""


def owners(replica_sets: Iterable[Json]) -> dict[str, str]:
    """Return the controller's uid by the ReplicaSet's uid."""
    return {each["metadata"]["uid"]: controller_of(each["metadata"]) for each in replica_sets}


def deployments(found: Iterable[Json]) -> dict[str, Deployment]:
    """Return the Deployments by name."""
    return {each["metadata"]["name"]: parse_deployment(each) for each in found}


def parse_deployment(deployment: Json) -> Deployment:
    """Return one Deployment's facts."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    replicas = spec.get("replicas")
    return Deployment(
        metadata["uid"],
        1 if replicas is None else int(replicas),
        metadata["resourceVersion"],
        bool(spec.get("paused")),
        metadata.get("annotations") or {},
    )


def by_target(found: Iterable[Pod], owner_of: Mapping[str, str]) -> dict[str, list[Pod]]:
    """Return the pods by the uid of the object that their ReplicaSet belongs to."""
    grouped: dict[str, list[Pod]] = {}
    for pod in found:
        target = owner_of.get(pod.owner, "")
        if target:
            grouped.setdefault(target, []).append(pod)
    return grouped


def pods(found: Iterable[Json]) -> list[Pod]:
    """Return the facts of every pod."""
    return [parse_pod(each) for each in found]


def parse_pod(pod: Json) -> Pod:
    """Return one pod's facts."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    changed_at = ready.get("lastTransitionTime")
    replica = Replica(
        name=metadata["name"],
        phase=status.get("phase") or "Pending",
        ready=ready.get("status") == "True",
        created_at=epoch(metadata["creationTimestamp"]),
        ready_changed_at=epoch(changed_at) if changed_at else None,
        terminating=bool(metadata.get("deletionTimestamp")),
        reason=_reason(status, conditions),
        revision=(metadata.get("labels") or {}).get("pod-template-hash", ""),
        restarts=sum(int(each.get("restartCount") or 0) for each in _containers(status)),
    )
    node = (pod.get("spec") or {}).get("nodeName") or ""
    return Pod(controller_of(metadata), status.get("podIP") or "", node, replica)


def _containers(status: Json) -> list[Json]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _reason(status: Json, conditions: Mapping[str, Json]) -> str:
    """Return why the pod does not run: unschedulable, or what the worst container waits for."""
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False" and scheduled.get("reason") == UNSCHEDULABLE:
        return UNSCHEDULABLE
    states = [(each.get("state") or {}).get("waiting") or {} for each in _containers(status)]
    waits = [str(each["reason"]) for each in states if each.get("reason")]
    return min(waits, key=lambda reason: reason in _ORDINARY_WAITS, default="")


def writers(autoscalers: Iterable[Json]) -> list[Writer]:
    """Return what each HorizontalPodAutoscaler writes; one that KEDA keeps is named after its ScaledObject."""
    found = []
    for each in autoscalers:
        metadata, target = each["metadata"], each["spec"]["scaleTargetRef"]
        scaled_object = (metadata.get("labels") or {}).get(_SCALED_OBJECT_LABEL)
        name = f"ScaledObject/{scaled_object}" if scaled_object else f"HorizontalPodAutoscaler/{metadata['name']}"
        found.append(Writer(name, target.get("kind", ""), target.get("name", "")))
    return found


def writers_of(found: Sequence[Writer], kind: str, name: str) -> tuple[str, ...]:
    """Return the names of those that write the target's count."""
    return tuple(sorted({each.name for each in found if (each.target_kind, each.target_name) == (kind, name)}))


def scale_count(scale: Json) -> int:
    """Return the count of a Scale, where no `replicas` means zero (on a Deployment it would mean one)."""
    return int((scale.get("spec") or {}).get("replicas") or 0)


def epoch(timestamp: str) -> float:
    """Return RFC 3339 as UTC epoch seconds."""
    return datetime.fromisoformat(timestamp).timestamp()
