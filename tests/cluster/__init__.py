"""Tests of `autoscaler.cluster`: against loopback servers that misbehave, and against a real control plane."""
