"""One namespace read as a whole: four lists answer for every target in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from autoscaler.cluster import answers
from autoscaler.cluster.exchange import Deadline, exchange
from autoscaler.cluster.facts import TargetFacts, TargetRef
from autoscaler.engine.observation import Quality
from autoscaler.errors import ClusterError, TargetMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.cluster.answers import Deployment, Json, Pod, Writer

T = TypeVar("T")


class Lists(NamedTuple):
    """The client's methods that list a namespace."""

    pods: Callable[..., Any]
    replica_sets: Callable[..., Any]
    deployments: Callable[..., Any]
    autoscalers: Callable[..., Any]


class NamespaceView(NamedTuple):
    """All that was read of one namespace."""

    deployments: Mapping[str, Deployment]
    pods: Mapping[str, list[Pod]]
    """By the uid of the Deployment."""
    writers: Sequence[Writer]
    pods_fault: str
    """Why the pods are not known; empty when they are."""
    writers_fault: str


def read_namespace(lists: Lists, namespace: str, deadline: Deadline) -> NamespaceView:
    """List the namespace.

    Pods come first, then what owns them: every pod's ReplicaSet is then in the second list, unless it is gone.
    Pods or autoscalers that cannot be listed are said in the view.

    Raises:
        ClusterError: the Deployments cannot be listed.
    """

    def read(resource: str, operation: Callable[..., Any], parse: Callable[[list[Json]], T]) -> T:
        return _list(f'list {resource} in namespace "{namespace}"', operation, namespace, deadline, parse)

    def owned() -> dict[str, list[Pod]]:
        pods = read("pods", lists.pods, answers.pods)
        return answers.by_target(pods, read("replicasets", lists.replica_sets, answers.owners))

    def other_writers() -> list[Writer]:
        return read("horizontalpodautoscalers", lists.autoscalers, answers.writers)

    pods, pods_fault = _attempt(owned)
    deployments = read("deployments", lists.deployments, answers.deployments)
    writers, writers_fault = _attempt(other_writers)
    return NamespaceView(deployments, pods or {}, writers or (), pods_fault, writers_fault)


def _list(
    what: str, operation: Callable[..., Any], namespace: str, deadline: Deadline, parse: Callable[[list[Json]], T]
) -> T:
    try:
        return parse(answers.items(exchange(what, operation, namespace, deadline=deadline)))
    except TargetMissing as error:
        # a list that is not found is a wrong address or an API that is not served, and says nothing of any target
        raise ClusterError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ClusterError(f"{what}: the answer is not a list as the API promises: {error!r}") from error


def _attempt(read: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return read(), ""
    except ClusterError as error:
        return None, str(error)


def facts_of(view: NamespaceView, ref: TargetRef) -> TargetFacts | ClusterError:
    """Return what the view tells of one target."""
    if (ref.api_version, ref.kind) != ("apps/v1", "Deployment"):
        return ClusterError(f"{ref.key}: kind {ref.api_version} {ref.kind} cannot be read; allowed: apps/v1 Deployment")
    found = view.deployments.get(ref.name)
    if found is None:
        return TargetMissing(f'{ref.key}: there is no Deployment "{ref.name}" in namespace "{ref.namespace}"')
    pods = view.pods.get(found.uid, [])
    return TargetFacts(
        target=ref.key,
        spec_replicas=found.replicas,
        resource_version=found.resource_version,
        replicas=tuple(pod.replica for pod in pods),
        addresses={pod.replica.name: pod.address for pod in pods if pod.address},
        deployment_paused=found.paused,
        annotations=found.annotations,
        replicas_quality=Quality.ERROR if view.pods_fault else Quality.OK,
        other_writers=answers.writers_of(view.writers, ref.kind, ref.name),
        detail="; ".join(fault for fault in (view.pods_fault, view.writers_fault) if fault),
        ref=ref,
        uid=found.uid,
        nodes={pod.replica.name: pod.node for pod in pods if pod.node},
    )
