"""A custom-metrics autoscaler for GPU inference on Kubernetes, and the simulator that judges its policies."""

__version__ = "0.1.0"
