"""Documents as people write them, and a way to change one thing."""

from __future__ import annotations

AUTOSCALER = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: InferenceAutoscaler
metadata: {name: llama-8b, namespace: inference}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llama-8b}
  minReplicas: 0
  maxReplicas: 10
  mode: DryRun
  backend: vllm
  signals:
    gatewayRequests: {query: 'sum(llm_d_epp_flow_control_queue_size{inference_pool="llama-8b"})'}
  policyRef: {name: chat}
"""
WAKE = "    gatewayRequests: {query: 'sum(llm_d_epp_flow_control_queue_size{inference_pool=\"llama-8b\"})'}\n"
POLICY = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat}
spec:
  rules:
    - {type: pendingRequests, targetPerReplica: 24}
    - {type: queueDepth, targetPerReplica: 4}
    - {type: latency, signal: timeToFirstToken, quantile: 0.99, objectiveSeconds: 2}
    - {type: gpuUtilization, targetPercent: 80}
  scaleToZero: {idleAfterSeconds: 900}
  behavior: {}
"""
SCENARIO = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: Scenario
metadata: {name: hour}
spec:
  preset: h100-llama-3.1-8b
  objective: {ttftSeconds: 2, tpotSeconds: 0.05}
  horizonSeconds: 3600
  traffic:
    generator: {requestsPerSecond: 3, bursts: {factor: 5}}
  policies: [llm-interactive]
"""
PEER = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: PeerPolicy
metadata: {name: theirs}
spec:
  peer: keda
  parameters:
    cooldownSeconds: 300
    triggers:
      - {signals: [queueDepth], threshold: 5}
"""


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return the text with each first string replaced by the second; it must be there, once."""
    for old, new in changes:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return text
