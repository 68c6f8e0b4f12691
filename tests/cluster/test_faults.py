"""An API server that misbehaves: every fault is a ClusterError with its cause, in time, after one request."""

from __future__ import annotations

import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.cluster.facts import TargetFacts, TargetRef
from autoscaler.cluster.kubernetes import KubernetesCluster
from autoscaler.cluster.port import EventType
from autoscaler.engine.observation import Quality
from autoscaler.errors import ClusterError, ConflictError, TargetMissing, UsageError
from tests.cluster.scripted import hangs, is_cut, replies, trickles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = TargetRef("here", "a")
FACTS = TargetFacts("here/a", 1, "7", (), {}, ref=A)
SCALE = {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 1}}
DEPLOYMENT = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}, "spec": {"replicas": 1}}


def always(act: Any) -> Callable[[str, str], Any]:
    """Answer every request in the same way."""
    return lambda method, path: act


def failed(reason: str, status: int) -> Any:
    """Answer as the API server refuses."""
    return replies({"kind": "Status", "message": reason, "code": status}, status)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (hangs, "no answer within 0.3 s"),
        (is_cut, "connection was cut"),
        (trickles, "no answer within 0.3 s"),
        (replies("<html>Please log in</html>"), "not JSON"),
        (replies("[1, 2]"), "not a JSON object"),
        (replies({"kind": "DeploymentList"}), "not a list as the API promises"),
        (replies({"items": [{"metadata": {}}]}), "not a list as the API promises"),
        (failed("etcdserver: leader changed", 500), "HTTP 500 Internal Server Error: etcdserver: leader changed"),
        (replies("upstream gone", 503), "HTTP 503 Service Unavailable: upstream gone"),
        (replies("", 302, {"Location": "/login"}), "HTTP 302"),
    ],
)
def test_observe_says_what_is_wrong(scripted: Any, act: Any, says: str) -> None:
    """Whatever the server does, the target's answer is an error that names the call, and nothing is raised."""
    _, cluster = scripted(always(act))
    seen = cluster.observe([A], 0.3)["here/a"]
    assert isinstance(seen, ClusterError)
    late = 'namespace "here": not listed within 0.3 s' if "0.3 s" in says else says
    assert says in str(seen) or str(seen) == late
    assert "here" in str(seen)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (hangs, "no answer within 0.3 s"),
        (trickles, "no answer within 0.3 s"),
        (is_cut, "the connection was cut"),
        (replies("<html>"), "the answer is not JSON"),
        (replies({}), "the answer is not a Scale"),
        (failed("leader changed", 500), "HTTP 500 Internal Server Error: leader changed"),
        (replies("slow down", 429, {"Retry-After": "1"}), "HTTP 429"),
    ],
)
def test_scale_is_one_request_with_one_deadline(scripted: Any, act: Any, says: str) -> None:
    """A fault while the scale is read is raised with its cause, after exactly one request."""
    server, cluster = scripted(always(act))
    with pytest.raises(ClusterError, match=f"scale Deployment here/a to 3: .*{re.escape(says)}") as caught:
        cluster.scale(FACTS, 3, 0.3)
    assert type(caught.value) is ClusterError
    assert server.seen == [("GET", "/apis/apps/v1/namespaces/here/deployments/a/scale")]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (failed("the object has been modified", 409), ConflictError),
        (failed("not found", 404), TargetMissing),
        (hangs, ClusterError),
        (is_cut, ClusterError),
        (failed("forbidden", 403), ClusterError),
    ],
)
def test_write_is_sent_once(scripted: Any, act: Any, error: type[ClusterError]) -> None:
    """A write that fails is not repeated, and a conflict is told apart."""
    server, cluster = scripted(lambda method, path: act if method == "PATCH" else replies(SCALE))
    with pytest.raises(ClusterError) as caught:
        cluster.scale(FACTS, 3, 0.5)
    assert type(caught.value) is error
    assert [method for method, _ in server.seen] == ["GET", "PATCH"]


def test_nobody_listens(tmp_path: Path, scripted: Any) -> None:
    """A refused connection is an error of each target."""
    server, _ = scripted(always(hangs))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        path = server.kubeconfig(tmp_path)
        path.write_text(path.read_text().replace(server.url, f"http://127.0.0.1:{taken.getsockname()[1]}"))
        cluster = KubernetesCluster.from_kubeconfig(path)
        seen = cluster.observe([A], 2)["here/a"]
        cluster.close()
    assert isinstance(seen, ClusterError)
    assert "the API server cannot be reached" in str(seen)
    assert "secret" not in str(seen)


def lists(pods: Any, autoscalers: Any) -> Callable[[str, str], Any]:
    """Answer the lists of one namespace with one Deployment."""

    def script(method: str, path: str) -> Any:
        plain = {"pods": pods, "replicasets": replies({"items": []}), "horizontalpodautoscalers": autoscalers}
        return plain.get(path.rsplit("/", 1)[1], replies({"items": [DEPLOYMENT]}))

    return script


def test_pods_unknown(scripted: Any) -> None:
    """Pods that cannot be listed leave the count known, and the replicas marked as not."""
    _, cluster = scripted(lists(failed("no", 500), replies({"items": []})))
    seen = cluster.observe([A], 2)["here/a"]
    assert (seen.spec_replicas, seen.replicas, seen.replicas_quality) == (1, (), Quality.ERROR)
    assert 'list pods in namespace "here": HTTP 500' in seen.detail


@pytest.mark.parametrize("status", [403, 404])
def test_autoscalers_unknown(scripted: Any, status: int) -> None:
    """Autoscalers that may not be listed, or that the server does not know, are said and change nothing else."""
    _, cluster = scripted(lists(replies({"items": []}), failed("no such thing", status)))
    seen = cluster.observe([A], 2)["here/a"]
    assert (seen.other_writers, seen.replicas_quality) == ((), Quality.OK)
    assert f'list horizontalpodautoscalers in namespace "here": HTTP {status}' in seen.detail


def test_a_list_that_is_not_found_is_no_missing_target(scripted: Any) -> None:
    """A 404 for the whole list is a wrong address, and never says that a target is gone."""
    _, cluster = scripted(always(replies("404 page not found", 404)))
    seen = cluster.observe([A], 2)["here/a"]
    assert type(seen) is ClusterError
    assert "HTTP 404 Not Found: 404 page not found" in str(seen)


def test_a_namespace_that_hangs_delays_no_other(scripted: Any) -> None:
    """One namespace hangs, three answer, time and again."""
    plain = lists(replies({"items": []}), replies({"items": []}))
    _, cluster = scripted(lambda method, path: hangs if "/stuck/" in path else plain(method, path))
    targets = [TargetRef(each, "a") for each in ("stuck", "one", "two", "three")]
    first, second = cluster.observe(targets, 0.5), cluster.observe(targets, 0.5)
    for seen in (first, second):
        assert isinstance(seen["stuck/a"], ClusterError)
        assert [seen[f"{each}/a"].spec_replicas for each in ("one", "two", "three")] == [1, 1, 1]


def test_a_call_that_ignores_its_deadline_is_not_piled_up(scripted: Any) -> None:
    """While a namespace's last listing has not come back, the next observation says so and starts no other."""
    _, cluster = scripted(lists(replies({"items": []}), replies({"items": []})))
    calls, over = [], threading.Event()

    def stuck(namespace: str, **options: Any) -> Any:
        calls.append(namespace)
        over.wait(30)
        raise ValueError("at last")

    cluster._lists = cluster._lists._replace(pods=stuck)
    first, second = (str(cluster.observe([A], 0.1)["here/a"]) for _ in range(2))
    assert first == 'namespace "here": not listed within 0.1 s'
    assert second == 'namespace "here": the last listing is still unanswered'
    assert calls == ["here"]
    over.set()


def test_event_that_cannot_be_posted(scripted: Any) -> None:
    """The reason comes back as text."""
    server, cluster = scripted(always(failed("events is forbidden", 403)))
    said = cluster.post_event(A, "ScaledUp", "1 -> 3", EventType.NORMAL, 1)
    assert said == "post Event ScaledUp about here/a: HTTP 403 Forbidden: events is forbidden"
    assert server.seen == [("POST", "/apis/events.k8s.io/v1/namespaces/here/events")]


def test_fence_says_no(scripted: Any) -> None:
    """A process that may not write any more reads, and writes nothing."""
    server, cluster = scripted(always(replies(SCALE)))
    cluster._fence = lambda: False
    with pytest.raises(ClusterError, match="withheld, this process may not write"):
        cluster.scale(FACTS, 3, 1)
    assert [method for method, _ in server.seen] == ["GET"]


@pytest.mark.parametrize("content", [None, "not: [valid", "{}", "just text"])
def test_kubeconfig_that_is_none(tmp_path: Path, content: str | None) -> None:
    """A missing or broken kubeconfig is an error of usage that names the file."""
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=re.escape(f"kubeconfig: {path} cannot be used: ")):
        KubernetesCluster.from_kubeconfig(path)


def test_other_kinds_are_refused(scripted: Any) -> None:
    """Only Deployments can be read: another kind is named, with what is allowed."""
    _, cluster = scripted(lists(replies({"items": []}), replies({"items": []})))
    seen = cluster.observe([TargetRef("here", "a", "apps/v1", "StatefulSet")], 2)["here/a"]
    assert "kind apps/v1 StatefulSet cannot be read; allowed: apps/v1 Deployment" in str(seen)
