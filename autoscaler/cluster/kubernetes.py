"""A real cluster, through the official client."""

from __future__ import annotations

import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from kubernetes import client

from autoscaler.cluster import answers
from autoscaler.cluster.connection import CONNECTIONS, connect
from autoscaler.cluster.events import event_body
from autoscaler.cluster.exchange import Deadline, exchange
from autoscaler.cluster.namespace import Lists, NamespaceView, facts_of, read_namespace
from autoscaler.errors import ClusterError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from autoscaler.cluster.facts import TargetFacts, TargetRef
    from autoscaler.cluster.port import EventType

FIELD_MANAGER = "inference-autoscaler"


def always() -> bool:
    """Say that this process may write: there is no other."""
    return True


class KubernetesCluster:
    """Fulfils `Cluster` with one API server.

    Namespaces are listed side by side, one call in flight in each: one that hangs keeps one thread for at most two
    deadlines, is not asked again meanwhile, and delays no other. `fence` is asked right before each write; when it
    says no, nothing is written.
    """

    def __init__(
        self,
        api: client.ApiClient,
        fence: Callable[[], bool] = always,
        instance: str = "",
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        apps = client.AppsV1Api(api)
        self._api = api
        self._lists = Lists(
            client.CoreV1Api(api).list_namespaced_pod,
            apps.list_namespaced_replica_set,
            apps.list_namespaced_deployment,
            client.AutoscalingV1Api(api).list_namespaced_horizontal_pod_autoscaler,
        )
        self._read_scale = apps.read_namespaced_deployment_scale
        self._patch_scale = apps.patch_namespaced_deployment_scale
        self._create_event = client.EventsV1Api(api).create_namespaced_event
        self._fence = fence
        self._instance = instance or socket.gethostname()
        self._wall_clock = wall_clock
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="cluster")
        self._in_flight: dict[str, Future[NamespaceView]] = {}
        self._uids: dict[str, str] = {}

    @classmethod
    def from_kubeconfig(cls, path: Path | None, fence: Callable[[], bool] = always) -> KubernetesCluster:
        """Return the cluster that `connect` finds.

        Raises:
            UsageError: there is no usable configuration.
        """
        return cls(connect(path), fence)

    def observe(
        self, targets: Sequence[TargetRef], deadline_seconds: float
    ) -> Mapping[str, TargetFacts | ClusterError]:
        """Return the facts of each target by `namespace/name`, or why there are none."""
        deadline = Deadline.after(deadline_seconds)
        views = self._views({ref.namespace for ref in targets}, deadline)
        seen: dict[str, TargetFacts | ClusterError] = {}
        for ref in targets:
            view = views[ref.namespace]
            seen[ref.key] = view if isinstance(view, ClusterError) else facts_of(view, ref)
        self._uids.update({key: facts.uid for key, facts in seen.items() if not isinstance(facts, ClusterError)})
        return seen

    def _views(self, namespaces: set[str], deadline: Deadline) -> dict[str, NamespaceView | ClusterError]:
        late = {namespace for namespace in namespaces if self._is_busy(namespace)}
        asked = {
            namespace: self._threads.submit(read_namespace, self._lists, namespace, deadline)
            for namespace in sorted(namespaces - late)
        }
        self._in_flight.update(asked)
        wait(asked.values(), deadline.left_seconds)
        views = {namespace: _result(namespace, future, deadline) for namespace, future in asked.items()}
        return views | {
            each: ClusterError(f'namespace "{each}": the last listing is still unanswered') for each in late
        }

    def _is_busy(self, namespace: str) -> bool:
        last = self._in_flight.get(namespace)
        return last is not None and not last.done()

    def scale(self, facts: TargetFacts, replicas: int, deadline_seconds: float) -> None:
        """Write the count through the scale subresource, under the resourceVersion read a moment before.

        Raises:
            ConflictError: the count is no longer the one in `facts`, or the object changed between read and write.
            TargetMissing: the target is gone.
            ClusterError: the server refused or did not answer, or the fence said no.
        """
        ref, deadline = facts.ref, Deadline.after(deadline_seconds)
        what = f"scale {ref.kind} {ref.key} to {replicas}"
        scale = exchange(f"{what}: read its scale", self._read_scale, ref.name, ref.namespace, deadline=deadline)
        count, version = _scale_of(what, scale)
        if count != facts.spec_replicas:
            raise ConflictError(
                f"{what}: its count is {count} now, and was {facts.spec_replicas} when this was decided"
            )
        if not self._fence():
            raise ClusterError(f"{what}: withheld, this process may not write any more")
        body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
        options = {"field_manager": FIELD_MANAGER}
        exchange(what, self._patch_scale, ref.name, ref.namespace, body, deadline=deadline, **options)

    def post_event(
        self, target: TargetRef, reason: str, message: str, kind: EventType, deadline_seconds: float
    ) -> str | None:
        """Post an Event about the target; return None, or why it could not be posted."""
        uid = self._uids.get(target.key, "")
        body = event_body(target, uid, reason, message, kind, self._instance, self._wall_clock())
        what = f"post Event {reason} about {target.key}"
        try:
            exchange(what, self._create_event, target.namespace, body, deadline=Deadline.after(deadline_seconds))
        except ClusterError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Let the threads and connections go; calls in flight end at their deadlines."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._api.close()


def _result(namespace: str, future: Future[NamespaceView], deadline: Deadline) -> NamespaceView | ClusterError:
    if not future.done():
        return ClusterError(f'namespace "{namespace}": not listed within {deadline.seconds:g} s')
    try:
        return future.result()
    except ClusterError as error:
        return error


def _scale_of(what: str, scale: answers.Json) -> tuple[int, str]:
    try:
        return answers.scale_count(scale), scale["metadata"]["resourceVersion"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ClusterError(f"{what}: the answer is not a Scale: {error!r}") from error
