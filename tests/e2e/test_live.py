"""The whole loop for real: pods, Prometheus, API server and the installed daemon, under its own ServiceAccount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.stage import ACCOUNT, NAME, NAMESPACE, Pods, Stage
from tests.real.node_agent import PodPlan
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.control_plane import ControlPlane
    from tests.real.prometheus import StartPrometheus

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

MOST = 4
PLAN = PodPlan(cold_start_seconds=4.0, places=4, service_seconds=0.25)
API_VERSION = "autoscaler.inference.dev/v1alpha1"
POLICY = {
    "apiVersion": API_VERSION,
    "kind": "ScalingPolicy",
    "metadata": {"name": "brisk"},
    "spec": {
        "rules": [
            {"type": "pendingRequests", "targetPerReplica": 2},
            {"type": "latency", "signal": "timeToFirstToken", "quantile": 0.99, "objectiveSeconds": 30},
        ],
        "scaleToZero": {"idleAfterSeconds": 8},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 6}},
    },
}
AUTOSCALER = {
    "apiVersion": API_VERSION,
    "kind": "InferenceAutoscaler",
    "metadata": {"name": NAME, "namespace": NAMESPACE},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": 0,
        "maxReplicas": MOST,
        "mode": "Active",
        "backend": "vllm",
        "signals": {"gatewayRequests": {"query": f'sum(llm_d_epp_flow_control_queue_size{{inference_pool="{NAME}"}})'}},
        "policyRef": {"name": "brisk"},
    },
}


def settings(prometheus_url: str, kubeconfig: Path) -> dict[str, Any]:
    """Return the daemon's settings: a tick every two seconds, twice the scrape interval."""
    return {
        "interval_seconds": 2,
        "jitter_seconds": 0.1,
        "prometheus": {"url": prometheus_url, "scrape_interval_seconds": 1, "rate_window_seconds": 10},
        "kubernetes": {"kubeconfig": str(kubeconfig)},
    }


def test_up_down_to_zero_and_awake_again(
    control_plane: ControlPlane, prometheus_server: StartPrometheus, tmp_path: Path
) -> None:
    """Load takes the target from 1 to 4, its end back to 1, idleness to 0, and a request at the gateway wakes it.

    Every request is answered in the end, every write has its Event, the metrics agree with the pods, and nothing was
    asked of the API server that deploy/base does not grant.
    """
    with Stage(control_plane, PLAN) as stage:
        server = prometheus_server(stage.scrape_configs)
        with Daemon(tmp_path, settings(server.url, stage.kubeconfig), [POLICY, AUTOSCALER]) as daemon:

            def settles(count: int) -> None:
                pods = Pods(count, count, 0)
                eventually(lambda: (stage.wanted, stage.pods), lambda seen: seen == (count, pods), 60)
                eventually(lambda: shown(daemon), lambda seen: seen == (count, count, count))

            settles(1)
            stage.load.keep(2 * MOST)
            settles(MOST)
            stage.load.keep(1)
            settles(1)
            stage.load.keep(0)
            settles(0)
            answered = stage.load.answered
            stage.load.keep(1)
            settles(1)
            eventually(lambda: stage.load.answered, lambda count: count > answered)
            assert daemon.status("/healthz") == 200
            assert daemon.resident_megabytes < 120
            assert daemon.stop() == 0
        said = steps(stage)
    assert said[0][0] == 1
    assert [after for _, after in said[:-2]][-1] == 1
    assert said[-2:] == [(1, 0), (0, 1)]
    assert max(after for _, after in said) == MOST
    assert [after for _, after in said[:-1]] == [before for before, _ in said[1:]]
    requests = list(control_plane.requests_of(f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"))
    assert len(said) == sum(each.verb == "patch" and each.status == 200 for each in requests)
    assert [each for each in requests if not each.allowed] == []
    assert (stage.load.failed, stage.agent.faults) == (0, [])


def steps(stage: Stage) -> list[tuple[int, int]]:
    """Return what the Events say of each change, as (before, after), oldest first."""
    notes = stage.events("ScaledUp", "ScaledDown")
    return [(int(before), int(after)) for before, after in (note.split(":")[0].split(" -> ") for note in notes)]


def shown(daemon: Daemon) -> tuple[float | None, ...]:
    """Return the desired, current and ready counts that `/metrics` shows."""
    target = {"namespace": NAMESPACE, "target": NAME}
    return (
        daemon.value("autoscaler_desired_replicas", **target),
        daemon.value("autoscaler_current_replicas", **target),
        daemon.value("autoscaler_replicas", state="ready", **target),
    )
