"""Manifests that tests begin with."""

HPA = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llama-8b, namespace: inference}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llama-8b}
  minReplicas: 2
  maxReplicas: 9
  metrics:
    - type: Pods
      pods:
        metric: {name: "vllm:num_requests_waiting"}
        target: {type: AverageValue, averageValue: "10"}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 120
      policies:
        - {type: Pods, value: 1, periodSeconds: 60}
"""

SCALED_OBJECT = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: llama-8b, namespace: inference}
spec:
  scaleTargetRef: {name: llama-8b}
  minReplicaCount: 1
  maxReplicaCount: 8
  triggers:
    - type: prometheus
      metadata:
        serverAddress: http://prometheus:9090
        query: sum(vllm:num_requests_waiting{namespace="inference"})
        threshold: "5"
"""


def hpa(*metrics: str, least: int = 1) -> str:
    """Return an HPA with these metrics, each in flow style."""
    text = HPA[: HPA.index("  metrics:")].replace("minReplicas: 2", f"minReplicas: {least}")
    return text + "  metrics:\n" + "".join(f"    - {metric}\n" for metric in metrics)


def scaled_object(*triggers: str, spec: str = "minReplicaCount: 1") -> str:
    """Return a ScaledObject with these triggers, each in flow style, and more fields of the spec."""
    text = SCALED_OBJECT[: SCALED_OBJECT.index("  minReplicaCount:")]
    fields = "".join(f"  {line}\n" for line in spec.splitlines())
    return text + fields + "  triggers:\n" + "".join(f"    - {trigger}\n" for trigger in triggers)


def pods(name: str, target: str = "10") -> str:
    """Return a metric of type Pods."""
    return (
        f'{{type: Pods, pods: {{metric: {{name: "{name}"}}, target: {{type: AverageValue, averageValue: {target}}}}}}}'
    )


def external(name: str, target: str = "{type: AverageValue, averageValue: 5}") -> str:
    """Return a metric of type External."""
    return f'{{type: External, external: {{metric: {{name: "{name}"}}, target: {target}}}}}'


def prometheus(query: str, threshold: str = "5", more: str = "", beside: str = "") -> str:
    """Return a trigger of type prometheus, with more metadata, and more beside the metadata."""
    metadata = f"serverAddress: http://p:9090, query: '{query}', threshold: '{threshold}'{more}"
    return f"{{type: prometheus{beside}, metadata: {{{metadata}}}}}"


def cron(start: str, end: str, replicas: int, zone: str = "Europe/Berlin") -> str:
    """Return a trigger of type cron."""
    times = f'start: "{start}", end: "{end}", desiredReplicas: "{replicas}"'
    return f"{{type: cron, metadata: {{timezone: {zone}, {times}}}}}"
