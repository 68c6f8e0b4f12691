"""The parts that stand in for hardware behave as the tests take for granted."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from autoscaler.cluster.facts import TargetFacts, TargetRef
from tests.real.child import Child, ChildError, free_port
from tests.real.control_plane import find_programs
from tests.real.discovery import Discovery
from tests.real.gateway import Gateway, Load
from tests.real.node_agent import NodeAgent, PodPlan
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.cluster.kubernetes import KubernetesCluster
    from tests.real.control_plane import ControlPlane


def test_a_child_that_ends_is_told_at_once(tmp_path: Path) -> None:
    """A program that ends instead of starting is an error with its last words."""
    child = Child("sayer", [sys.executable, "-c", "print('no such flag'); raise SystemExit(3)"], tmp_path)
    with pytest.raises(ChildError, match=r"sayer ended with status 3; .*\n*no such flag"):
        child.wait_until(lambda: False)


def test_the_listener_is_the_child(tmp_path: Path) -> None:
    """Somebody else on the port is found out, although the port answers."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
        with pytest.raises(ChildError, match="another program listens on port"):
            child.wait_ready(lambda: True, other.getsockname()[1])
        child.stop()
    code = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
    port = free_port()
    child = Child("listener", [sys.executable, "-c", code, str(port)], tmp_path)
    child.wait_until(lambda: child.listens_on(port))
    child.stop()


def test_no_control_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no control plane a test is skipped with one line, and fails on a CI machine or a wrong folder."""
    monkeypatch.setattr("tests.real.control_plane._BUILD", tmp_path / "build")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^no control plane: set KUBEBUILDER_ASSETS to a folder with .*$"):
        find_programs()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no control plane"):
        find_programs()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="lacks etcd, kube-apiserver, kube-controller-manager"):
        find_programs()


def page_of(gateway: Gateway) -> str:
    """Return the gateway's metrics."""
    return urllib3.request("GET", f"http://{gateway.address}/metrics").data.decode()


@pytest.mark.cluster
def test_pods_live_and_leave(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any
) -> None:
    """Pods start late, get Ready, are discovered, serve, show vLLM's metrics, and drain before they are gone."""
    api = control_plane.api
    agent = NodeAgent(api, namespace, PodPlan(cold_start_seconds=0.3, service_seconds=0.1))
    discovery, gateway = Discovery(api, namespace, agent.port), Gateway(api, namespace, agent.port, "a")
    load = Load(gateway)
    load.keep(6)
    deploy("a", 2)
    ref = TargetRef(namespace, "a")

    def facts() -> TargetFacts:
        seen = cluster.observe([ref], 5)[ref.key]
        assert isinstance(seen, TargetFacts)
        return seen

    both = eventually(facts, lambda seen: [each.ready for each in seen.replicas] == [True, True])
    eventually(lambda: load.answered, lambda answered: answered > 10)
    groups = json.loads(urllib3.request("GET", discovery.url).data)
    assert {group["labels"]["__meta_kubernetes_pod_name"] for group in groups} == set(both.addresses)
    assert {group["targets"][0] for group in groups} == {f"{each}:{agent.port}" for each in both.addresses.values()}
    for address in both.addresses.values():
        page = urllib3.request("GET", f"http://{address}:{agent.port}/metrics").data.decode()
        assert 'vllm:num_requests_running{engine="0",model_name="llama-8b"}' in page
        assert "vllm:request_success_total" in page
    gauge = 'llm_d_epp_flow_control_queue_size{inference_pool="a"}'
    eventually(lambda: page_of(gateway), lambda page: f"{gauge} 0.0" in page)
    cluster.scale(both, 0, 5)
    eventually(facts, lambda seen: seen.replicas == ())
    eventually(lambda: page_of(gateway), lambda page: f"{gauge} 6.0" in page)
    cluster.scale(facts(), 1, 5)
    load.stop()
    assert (load.failed, agent.faults) == (0, [])
    for part in (gateway, discovery, agent):
        part.stop()
