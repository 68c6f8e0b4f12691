"""The replicas that the simulator knows: those of the rules, which size by the same coefficients."""

from autoscaler.rules.replica_presets import PRESETS, Grade, Preset

__all__ = ["PRESETS", "Grade", "Preset"]
