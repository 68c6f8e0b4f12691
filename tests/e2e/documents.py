"""What the daemon is told in the end-to-end tests: brisk windows, so that minutes become seconds."""

from __future__ import annotations

from typing import Any

from tests.e2e.stage import NAME

API_VERSION = "autoscaler.inference.dev/v1alpha1"
MOST = 4
PER_REPLICA = 2
QUEUE = f'llm_d_epp_flow_control_queue_size{{inference_pool="{NAME}"}}'

POLICY: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "ScalingPolicy",
    "metadata": {"name": "brisk"},
    "spec": {
        "rules": [
            {"type": "pendingRequests", "targetPerReplica": PER_REPLICA},
            {"type": "latency", "signal": "timeToFirstToken", "quantile": 0.99, "objectiveSeconds": 30},
        ],
        "scaleToZero": {"idleAfterSeconds": 8},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 6}},
    },
}


def documents(namespace: str, gateway: dict[str, str]) -> list[dict[str, Any]]:
    """Return the policy, and the document for the Deployment; `gateway` says where held requests are read."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    spec = {
        "scaleTargetRef": target,
        "minReplicas": 0,
        "maxReplicas": MOST,
        "mode": "Active",
        "backend": "vllm",
        "signals": {"gatewayRequests": gateway},
        "policyRef": {"name": "brisk"},
    }
    autoscaler = {
        "apiVersion": API_VERSION,
        "kind": "InferenceAutoscaler",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": spec,
    }
    return [POLICY, autoscaler]
